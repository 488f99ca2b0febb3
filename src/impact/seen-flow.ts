import type { Flow } from '../evaluator/decision.ts';
import type { Family } from '../model/address.ts';

/** Connections in a node's conntrack table that differ only in the source port. */
export interface SeenFlow {
  readonly family: Family;
  readonly protocol: Flow['protocol'];
  /** Before SNAT. */
  readonly source: string;
  /** After DNAT. */
  readonly destination: string;
  readonly destinationPort?: number;
  /** Destination before DNAT, if different: `10.96.0.10:53`. */
  readonly via?: string;
  readonly connections: number;
  /** Number of these connections that have not ended. */
  readonly open: number;
}

/** The tracked flows of one node. */
export interface NodeFlows {
  /** Missing if the flows are of the whole cluster; then both ends of each flow count. */
  readonly node?: string;
  /** All addresses of the node, also those that its Node object does not list (bridges and tunnels). */
  readonly addresses: readonly string[];
  readonly flows: readonly SeenFlow[];
}
