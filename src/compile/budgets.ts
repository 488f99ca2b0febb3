import { defaultNamespaceBudget, isOfAudits, nodeBudget } from '../model/budget.ts';

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

/** The namespace of policies without one. */
export const clusterNamespace = '';

/**
 * The budgets of the policies without a namespace. They are those of the cluster's operators, and each may concern all pods: together they may use half of
 * the node's budget, however much namespaces want.
 */
export function budgetsOfCluster({ policy, namespace, node }: Budgets): Omit<Budgets, 'node'> {
  return { policy: Math.max(policy, node / 4), namespace: Math.max(namespace, node / 2) };
}

/**
 * The namespaces over their budget. If all together are over the node's budget, the largest namespaces are cut to one common level. Audits get what enforced
 * policies leave.
 */
export function overBudget(costs: ReadonlyMap<string, number>, budgets: Budgets): Map<string, Excess> {
  const ofCluster = budgetsOfCluster(budgets).namespace;
  const taken = Math.min(costs.get(clusterNamespace) ?? 0, ofCluster);
  const costsOf = (wanted: (payer: string) => boolean): number[] =>
    Array.from(costs).flatMap(([payer, cost]) => (payer !== clusterNamespace && wanted(payer) ? [cost] : []));
  const enforced = costsOf((payer) => !isOfAudits(payer));
  const level = levelOf(enforced, { ...budgets, node: budgets.node - taken });
  const spent = enforced.reduce((sum, cost) => sum + Math.min(cost, level), taken);
  const levelOfAudits = levelOf(costsOf(isOfAudits), { ...budgets, node: Math.max(0, budgets.node - spent) });
  const budgetOf = (payer: string): number => {
    if (payer === clusterNamespace) return ofCluster;
    return isOfAudits(payer) ? levelOfAudits : level;
  };
  const all = costs.entries().map(([payer, cost]) => [payer, { cost, budget: budgetOf(payer) }] as const);
  return new Map(all.filter(([, { cost, budget }]) => cost > budget));
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
