import type { NodeFact, ResourceName } from '../../src/model/cluster.ts';
import type { StageName } from '../../src/nftables/ruleset.ts';

/** What the measured process is told: one JSON object a line, taken in order. Objects come as a watch tells them. */
export type Request =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: object }
  | { readonly fact: NodeFact }
  | { readonly synced: ResourceName }
  /** A script that goes straight through the kernel, for comparison; `apart`, through an nft of its own. */
  | { readonly run: string; readonly apart?: true }
  | { readonly ask: 'settled' | 'groups' | 'processor' | 'memory' };

/** Its answers, likewise. Times are milliseconds of CLOCK_MONOTONIC. */
export interface Reply {
  readonly applied?: Applied;
  /** When the script of `run` was handed to the kernel; said when that is done. */
  readonly ran?: number;
  readonly settled?: Settled;
  /** The pods of each group that the node's policies name. */
  readonly groups?: readonly (readonly string[])[];
  readonly processor?: Processor;
  readonly memory?: Memory;
}

/** A run that changed the kernel. */
export interface Applied {
  /** How many events had come before those that it took in. */
  readonly before: number;
  /** When it saw each of them. */
  readonly seen: readonly number[];
  readonly stages: readonly AppliedStage[];
}

export interface AppliedStage {
  readonly name: StageName;
  /** Takes elements away from sets that packets meet. */
  readonly deletesElements: boolean;
  readonly operations: number;
  /** Not of the first load, which is large. */
  readonly script?: string;
}

export interface Settled {
  /** When the newest event was seen, and when the last run said that all is applied. */
  readonly seen: number;
  readonly applied: number;
}

/** Processor time of the process itself, and of what it has started. */
export interface Processor {
  readonly ownMs: number;
  readonly childrenMs: number;
}

/** AddressClaimant, and what is alive on the heap, after a collection. */
export interface Memory {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

/** Milliseconds of CLOCK_MONOTONIC. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
