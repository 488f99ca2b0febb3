import { compareText } from '../lib/sort.ts';
import type { GroupId, Policy, PolicyId } from '../model/policy.ts';

/** What the policies of one namespace want to have filled. */
export interface Demand {
  readonly namespace: string;
  /** Of all its groups, each once. */
  readonly cost: number;
  /** In the order in which they get room. */
  readonly policies: readonly Policy[];
}

export interface Share {
  /** What the namespace may cost. */
  readonly part: number;
  readonly admitted: ReadonlySet<PolicyId>;
}

/**
 * Who gets the room of a node (S9.13). A group that several namespaces name is filled once, so the first one pays. The namespaces take their
 * turns from the smallest to the largest. Each may use an equal part of what is left, and leaves the rest to the larger ones. So a namespace that
 * needs no more than its part of the whole room loses nothing, whatever others want.
 * @returns the namespaces that have to do without some of their policies
 */
export function shareRoom(
  demands: readonly Demand[],
  costOf: (group: GroupId) => number,
  room: number,
): Map<string, Share> {
  const filled = new Set<GroupId>();
  const shares = new Map<string, Share>();
  let left = room;
  const smallestFirst = demands.toSorted((a, b) => a.cost - b.cost || compareText(a.namespace, b.namespace));
  for (const [index, { namespace, policies }] of smallestFirst.entries()) {
    const part = Math.floor(left / (demands.length - index));
    const admitted = new Set<PolicyId>();
    let used = 0;
    for (const { id, groups } of policies) {
      const fresh = [...groups.keys()].filter((group) => !filled.has(group));
      const cost = fresh.reduce((sum, group) => sum + costOf(group), used);
      if (cost > part) break;
      used = cost;
      for (const group of fresh) filled.add(group);
      admitted.add(id);
    }
    left -= used;
    if (admitted.size < policies.length) shares.set(namespace, { part, admitted });
  }
  return shares;
}
