import type { Flow } from '../evaluator/decision.ts';
import type { Family } from '../model/address.ts';

/** Connections that a node's kernel tracks and that differ in nothing but the port they come from. */
export interface SeenFlow {
  readonly family: Family;
  readonly protocol: Flow['protocol'];
  /** Before SNAT. */
  readonly source: string;
  /** After DNAT. */
  readonly destination: string;
  readonly destinationPort?: number;
  /** What the client called, where that is another: `10.96.0.10:53`. */
  readonly via?: string;
  readonly connections: number;
  /** Of these, the ones that have not ended. */
  readonly open: number;
}

/** What one node has seen. */
export interface NodeFlows {
  /** None: of the whole cluster, so that both ends of each flow are judged by it. */
  readonly node?: string;
  /** The node's own, also those that its Node object does not name (of bridges and tunnels). */
  readonly addresses: readonly string[];
  readonly flows: readonly SeenFlow[];
}
