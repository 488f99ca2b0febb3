import { defaultNamespaceBudget, nodeBudget } from '../model/budget.ts';

/**
 * Limits for what policies cost a node (S9.13). One unit is the cost of an address in a set: about 2 microseconds and 350 bytes in nft. All other
 * costs are multiples of it (`policy-cost.ts`).
 */
export interface Budgets {
  readonly policy: number;
  /** Limit for all policies of a namespace together. */
  readonly namespace: number;
  /** Limit for all policies. Each namespace is guaranteed an equal share, and may use what others leave. */
  readonly node: number;
}

export function budgetsOf(namespace: number): Budgets {
  return { policy: namespace / 2, namespace, node: nodeBudget };
}

export const defaultBudgets = budgetsOf(defaultNamespaceBudget);

/** For each set that a script names, nft reads all sets of the table. 1,000 sets take 95 ms (K19): each costs as much as about 50 addresses. */
export const costOfSet = 50;

/** The cost of a policy or namespace that is over its budget. */
export interface Excess {
  readonly cost: number;
  readonly budget: number;
}

/** The namespaces over their budget. If all together are over the node's budget, the largest namespaces are cut to one common level. */
export function overBudget(costs: ReadonlyMap<string, number>, budgets: Budgets): Map<string, Excess> {
  const budget = levelOf([...costs.values()], budgets);
  const over = costs.entries().filter(([, cost]) => cost > budget);
  return new Map(over.map(([namespace, cost]) => [namespace, { cost, budget }]));
}

function levelOf(costs: readonly number[], { namespace, node }: Budgets): number {
  let left = node;
  for (const [index, cost] of costs.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (costs.length - index));
    if (cost > share) return Math.min(namespace, share);
    left -= cost;
  }
  return namespace;
}
