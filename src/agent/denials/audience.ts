import type { Owners } from '../../model/owner.ts';

/** Who reads a description: operators, or the users of one namespace. */
export type Audience = 'operators' | { readonly namespace: string };

const nobody: Owners = { pods: [], nodes: [] };

/**
 * The owners that an audience may read of. Users of a namespace read of its pods alone (S9.14): to them, a pod of another namespace, a node
 * and a machine outside of the cluster are the same, an address. So a description tells nothing that depends on another's objects.
 */
export function ownersFor(audience: Audience, ownersOf: (address: string) => Owners): (address: string) => Owners {
  if (audience === 'operators') return ownersOf;
  return (address) => {
    const owners = ownersOf(address);
    const isOwn = owners.nodes.length === 0 && owners.pods.every(({ pod }) => pod.namespace === audience.namespace);
    return isOwn ? owners : nobody;
  };
}
