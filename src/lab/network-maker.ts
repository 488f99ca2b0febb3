import type { Family } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';

/** Makes the network between the pods of two nodes. */
export interface NetworkMaker {
  /** Bytes of the outer headers, by the family of the outer packet, which is that of the inner one. */
  readonly overhead: Readonly<Record<Family, number>>;
  /** What not every kernel has. */
  readonly needs?: readonly Requirement[];
  /** Connects a node to the others. The node's own link is up and has its addresses. */
  connect(namespace: string, node: NodePlan, others: readonly NodePlan[]): Promise<void>;
}

/** A feature of the machine. It is there if the command succeeds. */
export interface Requirement {
  readonly what: string;
  /** A shell command. */
  readonly command: string;
  readonly remedy: string;
}
