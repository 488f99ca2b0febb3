import type { NodeFact, ResourceName } from '../../src/model/cluster.ts';
import type { StageName } from '../../src/nftables/ruleset.ts';

/** Requests to the measured process: one JSON object per line, in order. Objects are as in a watch event. */
export type Request =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: object }
  | { readonly fact: NodeFact }
  | { readonly synced: ResourceName }
  /** A script to run directly, for comparison; `apart`: with a new nft process. */
  | { readonly run: string; readonly apart?: true }
  | { readonly ask: 'settled' | 'groups' | 'processor' | 'memory' };

/** Answers of the measured process, one per line. Times are milliseconds of CLOCK_MONOTONIC. */
export interface Reply {
  readonly applied?: Applied;
  /** Time at which the script of `run` was passed to nft; sent when it is done. */
  readonly ran?: number;
  readonly settled?: Settled;
  /** Pods of each group of the node's policies. */
  readonly groups?: readonly (readonly string[])[];
  readonly processor?: Processor;
  readonly memory?: Memory;
}

/** A run that changed the kernel. */
export interface Applied {
  /** Number of events before those of this run. */
  readonly before: number;
  /** Time at which the agent saw each event of this run. */
  readonly seen: readonly number[];
  readonly stages: readonly AppliedStage[];
}

export interface AppliedStage {
  readonly name: StageName;
  /** Whether the run deletes elements from sets in use. */
  readonly deletesElements: boolean;
  readonly operations: number;
  /** Missing for the first load, which is large. */
  readonly script?: string;
}

export interface Settled {
  /** Time of the newest event, and time at which the last run had applied everything. */
  readonly seen: number;
  readonly applied: number;
}

/** Processor time of the process and of its children. */
export interface Processor {
  readonly ownMs: number;
  readonly childrenMs: number;
}

/** Resident memory and live heap after a garbage collection, in bytes. */
export interface Memory {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

/** Milliseconds of CLOCK_MONOTONIC. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
