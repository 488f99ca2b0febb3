import type { Namespace, Node, Pod } from './cluster.ts';
import type { PolicyId } from './policy.ts';

/** The owners of an address: one pod, several pods with equal claims (S1.10), a node, or none. */
export interface Owners {
  readonly pods: readonly OwningPod[];
  readonly nodes: readonly Node[];
}

export interface OwningPod {
  readonly pod: Pod;
  /** `undefined` if the agent does not know the Namespace object. */
  readonly namespace: Namespace | undefined;
  /** The policies that select it, if it is a local pod. */
  readonly policies: Iterable<PolicyId>;
}
