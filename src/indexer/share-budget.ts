import { compareText } from '../lib/sort.ts';
import type { GroupId, Policy, PolicyId } from '../model/policy.ts';

/** The policies of one namespace whose groups should be filled. */
export interface Demand {
  readonly namespace: string;
  /** Cost of all its groups, each counted once. */
  readonly cost: number;
  /** The first policies are admitted first. */
  readonly policies: readonly Policy[];
}

export interface Share {
  /** Limit for the namespace. */
  readonly part: number;
  readonly admitted: ReadonlySet<PolicyId>;
}

/**
 * Shares the node's budget among namespaces (S9.13), from the smallest demand to the largest. Each namespace may use an equal part of the remaining
 * budget and leaves the rest to the larger ones. So a namespace whose demand fits an equal part of the whole budget loses nothing. A group that
 * several namespaces name is filled once, and the first of them pays.
 * @returns the namespaces that do not get all their policies
 */
export function shareBudget(
  demands: readonly Demand[],
  costOf: (group: GroupId) => number,
  budget: number,
): Map<string, Share> {
  const filled = new Set<GroupId>();
  const shares = new Map<string, Share>();
  let left = budget;
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
