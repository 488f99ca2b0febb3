import { defaultNamespaceBudget, nodeBudget } from '../model/budget.ts';

/**
 * What policies may cost a node (S9.13), in units: one is an address in a set, for which nft needs about 2 microseconds and 350 bytes. All
 * else is counted in these (`cost.ts`).
 */
export interface Budgets {
  readonly policy: number;
  /** Of all policies of a namespace together. */
  readonly namespace: number;
  /** Of all. Each namespace is sure of an equal part of it, and has what others leave. */
  readonly node: number;
}

export function budgetsOf(namespace: number): Budgets {
  return { policy: namespace / 2, namespace, node: nodeBudget };
}

export const defaultBudgets = budgetsOf(defaultNamespaceBudget);

/** nft goes through all sets of a table for each that it names (K19), so a set costs much more than what is in it. */
export const costOfSet = 50;

/** What somebody costs, and what he may. */
export interface Excess {
  readonly cost: number;
  readonly budget: number;
}

/** The namespaces that cost more than they may. Where all together cost too much, the ones that cost most come down to one level. */
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
