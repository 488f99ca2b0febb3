import { compareText } from '../lib/sort.ts';
import { VersionedMap } from '../lib/versioned-map.ts';
import { payerOf } from '../model/budget.ts';
import { auditTier, type GroupId, type Policy, type PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Excess } from './budgets.ts';
import { countKinds, groupPods } from './pod-kinds.ts';
import { costAlone, costOfClasses, costOfCuts, countRules, groupCost, hasNamedEgress } from './policy-cost.ts';
import type { Groups } from './walk.ts';

/** A policy with its estimated cost alone. */
interface Cost {
  readonly policy: Policy;
  readonly own: number;
}

/**
 * Estimated costs of policies before their classes are built, in units of `budgets.ts`. `workOf` and `costOf` (`class-shape.ts`) count classes, which
 * exist only after this check, and they do not know which policy costs how much. So this estimate also chooses the policies to leave out.
 *
 * A change of group members adds only what these groups cost more or less.
 */
export class NamespaceCosts {
  readonly #bills: VersionedMap<string, Bill>;
  readonly #costs: VersionedMap<GroupId, number>;
  /** By group, the namespaces whose policies name it. */
  readonly #readers: ReadonlyMap<GroupId, ReadonlySet<string>>;

  private constructor(
    bills: VersionedMap<string, Bill>,
    costs: VersionedMap<GroupId, number>,
    readers: ReadonlyMap<GroupId, ReadonlySet<string>>,
  ) {
    this.#bills = bills;
    this.#costs = costs;
    this.#readers = readers;
  }

  /** @param kinds by policy, the number of pod kinds that it selects */
  static of(
    { policies, groups }: Snapshot,
    kinds: ReadonlyMap<PolicyId, number>,
    without: ReadonlySet<PolicyId>,
  ): NamespaceCosts {
    const counted = policies.values().filter(({ id }) => !without.has(id));
    const bills = new Map<string, Bill>();
    const costs = new Map<GroupId, number>();
    const readers = new Map<GroupId, Set<string>>();
    for (const [namespace, own] of Map.groupBy(counted, payerOf)) {
      bills.set(namespace, Bill.of(own, groups, kinds));
      for (const id of own.flatMap((policy) => [...policy.groups.keys()])) {
        costs.set(id, groupCost(id, groups));
        const known = readers.get(id);
        if (known) known.add(namespace);
        else readers.set(id, new Set([namespace]));
      }
    }
    return new NamespaceCosts(new VersionedMap(bills), new VersionedMap(costs), readers);
  }

  /** The costs after the members of these groups have changed, and nothing else. */
  after(groups: Groups, changed: Iterable<GroupId>): NamespaceCosts {
    const namespaces = new Map<string, number>();
    const costs = new Map<GroupId, number>();
    for (const id of changed) {
      const cost = groupCost(id, groups);
      for (const namespace of this.#readers.get(id) ?? []) {
        costs.set(id, cost);
        namespaces.set(namespace, (namespaces.get(namespace) ?? 0) + cost - this.#costs.get(id)!);
      }
    }
    if (namespaces.size === 0) return this;
    const bills = namespaces.entries().map(([namespace, growth]) => {
      return [namespace, this.#bills.get(namespace)!.after(groups, growth)] as const;
    });
    return new NamespaceCosts(this.#bills.with(bills.toArray()), this.#costs.with(costs), this.#readers);
  }

  get byNamespace(): ReadonlyMap<string, number> {
    return new Map(this.#bills.entries().map(([namespace, { cost }]) => [namespace, cost]));
  }

  /** The policies that alone cost more than `budget`. */
  over(budget: number): readonly Cost[] {
    // A policy costs no more than all of its namespace.
    return [...this.#bills.values()].flatMap((bill) => (bill.cost > budget ? bill.over(budget) : []));
  }

  /** The policies to leave out of a namespace over budget. */
  largest(namespace: string, excess: Excess, atLeast: number): readonly Cost[] {
    return this.#bills.get(namespace)?.largest(excess, atLeast) ?? [];
  }
}

/** Of these policies, those of the namespace where they cost most. */
export function costliestOf(policies: readonly Policy[], snapshot: Snapshot): readonly Policy[] {
  const kinds = countKinds(groupPods(snapshot), snapshot.policies);
  let most = 0;
  let costliest: readonly Policy[] = [];
  for (const own of Map.groupBy(policies, payerOf).values()) {
    const { cost } = Bill.of(own, snapshot.groups, kinds);
    if (cost > most) [most, costliest] = [cost, own];
  }
  return costliest;
}

/** The costs of the policies of one namespace. A group counts once, even if several policies name it. */
class Bill {
  readonly #policies: readonly Policy[];
  readonly #groups: Groups;
  readonly #kinds: ReadonlyMap<PolicyId, number>;
  /** Whether a policy has egress port names. */
  readonly #hasNames: boolean;
  /** The number of rules that may cut the ports of each other (`partsOf`); 0 in a namespace, where order means nothing. */
  readonly #cutters: number;
  /** The cost of all policies together. */
  readonly cost: number;

  private constructor(
    policies: readonly Policy[],
    groups: Groups,
    kinds: ReadonlyMap<PolicyId, number>,
    hasNames: boolean,
    cutters: number,
    cost: number,
  ) {
    this.#hasNames = hasNames;
    this.#cutters = cutters;
    this.#policies = policies;
    this.#groups = groups;
    this.#kinds = kinds;
    this.cost = cost;
  }

  static of(policies: readonly Policy[], groups: Groups, kinds: ReadonlyMap<PolicyId, number>): Bill {
    let cost = 0;
    const ordered = policies.filter(({ tier }) => tier !== 'NetworkPolicy' && tier !== auditTier);
    const cutters = ordered.reduce((sum, policy) => sum + countRules(policy), 0);
    for (const policy of policies) cost += costOfClasses(policy, groups, kinds) + costOfCuts(policy, cutters);
    for (const id of new Set(policies.flatMap((policy) => [...policy.groups.keys()]))) cost += groupCost(id, groups);
    return new Bill(policies, groups, kinds, policies.some(hasNamedEgress), cutters, cost);
  }

  /** @param growth what the groups cost more than before */
  after(groups: Groups, growth: number): Bill {
    // What a port name costs depends on more than the size of one group.
    if (this.#hasNames) return Bill.of(this.#policies, groups, this.#kinds);
    return new Bill(this.#policies, groups, this.#kinds, false, this.#cutters, this.cost + growth);
  }

  over(budget: number): readonly Cost[] {
    return this.#owns().filter(({ own }) => own > budget);
  }

  /**
   * The largest policies, enough that the rest fits the budget if the real cost shrinks in proportion to the estimate. If it does not, the caller asks
   * again for at least twice as many.
   */
  largest({ cost, budget }: Excess, atLeast: number): readonly Cost[] {
    const largest = this.#owns()
      .filter(({ own }) => own > 0)
      .sort((a, b) => b.own - a.own || compareText(a.policy.id, b.policy.id));
    const users = new Map<GroupId, number>();
    for (const policy of this.#policies) {
      for (const id of policy.groups.keys()) users.set(id, (users.get(id) ?? 0) + 1);
    }
    let left = this.cost;
    let count = 0;
    while (count < largest.length && (count < atLeast || left * cost > this.cost * budget)) {
      const { policy } = largest[count++]!;
      left -= costOfClasses(policy, this.#groups, this.#kinds) + costOfCuts(policy, this.#cutters);
      for (const id of policy.groups.keys()) {
        users.set(id, users.get(id)! - 1);
        if (users.get(id) === 0) left -= groupCost(id, this.#groups);
      }
    }
    return largest.slice(0, count);
  }

  #owns(): Cost[] {
    return this.#policies.map((policy) => {
      return { policy, own: costAlone(policy, this.#groups, this.#kinds) + costOfCuts(policy, this.#cutters) };
    });
  }
}
