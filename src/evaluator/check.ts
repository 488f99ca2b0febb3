import type { Cluster } from './cluster.ts';
import type { Direction, Flow } from './decision.ts';
import type { Party } from './party.ts';

/** Both ends of a flow, resolved. */
export interface ResolvedFlow {
  readonly source: Party;
  readonly destination: Party;
  readonly flow: Flow;
}

/** One check: egress at the source, or ingress at the destination. */
export interface Check extends ResolvedFlow {
  readonly cluster: Cluster;
  readonly direction: Direction;
  /** The end whose policies decide. */
  readonly subject: Party;
}
