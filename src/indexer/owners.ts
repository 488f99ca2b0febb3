import type { Node, ObjectKey } from '../model/cluster.ts';
import type { Owners } from '../model/owner.ts';
import type { PolicyId } from '../model/policy.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { NamespaceIndex } from './namespace-index.ts';
import type { Ownership } from '../ownership/ownership.ts';

interface Sources {
  readonly ownership: Ownership;
  readonly namespaces: NamespaceIndex;
  readonly nodes: ReadonlyMap<ObjectKey, Node>;
  readonly policiesOf: ReadonlyMap<PodKey, ReadonlySet<PolicyId>>;
}

/** The owners of the address, by what this node knows. */
export function findOwners(address: string, { ownership, namespaces, nodes, policiesOf }: Sources): Owners {
  const claimants = [...ownership.claimantsOf(address)].filter(([key]) => {
    return ['owned', 'contested'].includes(ownership.judge(key, address));
  });
  const pods = claimants.map(([key, pod]) => {
    return { pod, namespace: namespaces.get(pod.namespace), policies: policiesOf.get(key) ?? [] };
  });
  // Most addresses belong to no node. Avoid a scan of thousands of nodes.
  const having = ownership.isOfNode(address) ? [...nodes.values()] : [];
  return { pods, nodes: having.filter(({ addresses }) => addresses.includes(address)) };
}
