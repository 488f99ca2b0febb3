import { namespaceOf } from '../model/budget.ts';
import type { PolicyId } from '../model/policy.ts';
import { budgetsOfCluster, clusterNamespace, overBudget, type Budgets, type Excess } from './budgets.ts';
import { markOf, type Oversize } from './left-out.ts';
import type { NamespaceCosts } from './namespace-costs.ts';

const noBudgets: Budgets = { policy: Infinity, namespace: Infinity, node: Infinity };

interface Fitted<T> {
  readonly made: T;
  readonly oversized: ReadonlyMap<PolicyId, Oversize>;
  /** Number of attempts. */
  readonly rounds: number;
}

/**
 * Leaves out policies until the others fit the budgets (S9.13).
 * @param known policies to leave out from the start
 * @param count estimates the cost of all policies except `without`
 * @param make builds the classes of all policies except `without`, and returns the namespaces that are over budget then
 */
export function fitBudgets<T extends { readonly over: ReadonlyMap<string, Excess> }>(
  refused: ReadonlySet<PolicyId>,
  known: ReadonlyMap<PolicyId, Oversize>,
  limits: Budgets,
  count: (without: ReadonlySet<PolicyId>) => NamespaceCosts,
  make: (without: ReadonlySet<PolicyId>, costs: NamespaceCosts, budgets: Budgets) => T,
): Fitted<T> {
  const oversized = new Map(known);
  const atLeast = new Map<string, number>();
  let budgets = limits;
  for (let rounds = 1; ; rounds++) {
    const without = new Set([...refused, ...oversized.keys()]);
    const costs = count(without);
    const found = new Map<PolicyId, Oversize>();
    for (const { policy, own } of costs.over(budgets.policy)) {
      const isOfCluster = namespaceOf(policy.id) === clusterNamespace;
      const budget = isOfCluster ? budgetsOfCluster(budgets).policy : budgets.policy;
      if (own > budget) found.set(policy.id, { of: 'policy', own, cost: own, budget, ...markOf(policy) });
    }
    let over: ReadonlyMap<string, Excess> = overBudget(costs.byNamespace, budgets);
    if (found.size === 0 && over.size === 0) {
      const made = make(without, costs, budgets);
      if (made.over.size === 0) return { made, oversized, rounds };
      over = made.over;
    }
    for (const [namespace, excess] of over) {
      const most = atLeast.get(namespace) ?? 1;
      atLeast.set(namespace, 2 * most);
      for (const { policy, own } of costs.largest(namespace, excess, most)) {
        found.set(policy.id, { of: 'namespace', own, ...excess, ...markOf(policy) });
      }
    }
    for (const each of found) oversized.set(...each);
    // Nothing is left to leave out. Isolation must stay, so its own cost has no budget.
    if (found.size === 0) budgets = noBudgets;
  }
}
