import type { Namespace, Node, Pod } from './cluster.ts';
import type { PolicyId } from './policy.ts';

/** Who has an address: one pod, several that claim it with equal right (S1.10), a node, or nobody that is known. */
export interface Owners {
  readonly pods: readonly OwningPod[];
  readonly nodes: readonly Node[];
}

export interface OwningPod {
  readonly pod: Pod;
  /** As the cache has it; there may be none. */
  readonly namespace: Namespace | undefined;
  /** Of a pod of this node. */
  readonly policies: Iterable<PolicyId>;
}
