import type { Owners } from '../../model/owner.ts';

/** The readers of a description: operators, or the users of one namespace. */
export type Audience = 'operators' | { readonly namespace: string };

const noOwners: Owners = { pods: [], nodes: [] };

/**
 * Restricts a lookup of owners to what the audience may read. Users of a namespace may read about its pods only (S9.14). For them a pod of another
 * namespace, a node and a machine outside of the cluster are all just an address. So a description for them depends on no object of other namespaces.
 */
export function ownersFor(audience: Audience, ownersOf: (address: string) => Owners): (address: string) => Owners {
  if (audience === 'operators') return ownersOf;
  return (address) => {
    const owners = ownersOf(address);
    const isOwn = owners.nodes.length === 0 && owners.pods.every(({ pod }) => pod.namespace === audience.namespace);
    return isOwn ? owners : noOwners;
  };
}
