import { compareText } from '../lib/sort.ts';
import type { AddressRange } from '../model/address.ts';
import { directions, type GroupId, type Policy, type PolicyId, type PolicyRule } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { costOfSet, type Excess } from './budgets.ts';
import { prefixesOf } from './interval-rules.ts';
import type { PodKinds } from './classify.ts';
import { costOfName, type Groups } from './resolve.ts';

/**
 * Estimated costs of policies before their classes are built, in units of `budgets.ts`. `workOf` and `costOf` (`class-shape.ts`) count classes, which
 * exist only after this check, and they do not know which policy costs how much. So this estimate also chooses the policies to leave out.
 */
export interface PolicyCosts {
  /** By namespace. */
  readonly namespaces: ReadonlyMap<string, number>;
  /** The cost of one policy alone. */
  readonly of: (policy: Policy) => number;
  /** The policies to leave out of a namespace over budget. */
  readonly largest: (namespace: string, excess: Excess, atLeast: number) => readonly Large[];
}

export interface Large {
  readonly policy: Policy;
  readonly own: number;
}

/** The size of one policy's spec. */
interface PolicyText {
  /** Number of rules, peers, prefixes of blocks, and ports. compile reads each once per kind of pods that the policy isolates. */
  readonly items: number;
  readonly groups: readonly GroupId[];
  /** Egress rules with port names. */
  readonly named: readonly PolicyRule[];
}

/** Each compile needs the sizes of all policies. Reading a large policy again would be much of the cost of a member's change. */
const texts = new WeakMap<Policy, PolicyText>();

function textOf(policy: Policy): PolicyText {
  let text = texts.get(policy);
  if (!text) texts.set(policy, (text = readText(policy)));
  return text;
}

function readText({ rules, groups }: Policy): PolicyText {
  let items = 0;
  for (const { peers, ports } of directions.flatMap((direction) => rules[direction])) {
    items += 1 + ports.length;
    for (const peer of peers) items += peer.kind === 'cidr' ? 1 + prefixesIn(peer.ranges) : 1;
  }
  const named = rules.egress.filter(({ ports }) => ports.some(({ kind }) => kind === 'named'));
  return { items, groups: [...groups.keys()], named };
}

function prefixesIn(ranges: readonly AddressRange[]): number {
  return ranges.reduce((sum, range) => sum + prefixesOf(range), 0);
}

/** @param kinds by policy, the number of pod kinds that it selects */
export function countCosts(
  { policies, groups }: Snapshot,
  kinds: ReadonlyMap<PolicyId, number>,
  refused: ReadonlySet<PolicyId>,
): PolicyCosts {
  const bills = new Map<string, Bill>();
  for (const policy of policies.values()) {
    if (refused.has(policy.id)) continue;
    const namespace = namespaceOf(policy.id);
    let bill = bills.get(namespace);
    if (!bill) bills.set(namespace, (bill = new Bill(groups, kinds)));
    bill.add(policy);
  }
  return {
    namespaces: new Map(bills.entries().map(([namespace, { cost }]) => [namespace, cost])),
    of: (policy) => costAlone(policy, groups, kinds),
    largest: (namespace, excess, atLeast) => bills.get(namespace)?.largest(excess, atLeast) ?? [],
  };
}

/** Sums the policies of one namespace. A group counts once, even if several policies name it. */
class Bill {
  readonly #groups: Groups;
  readonly #kinds: ReadonlyMap<PolicyId, number>;
  readonly #policies: Policy[] = [];
  readonly #users = new Map<GroupId, number>();
  cost = 0;

  constructor(groups: Groups, kinds: ReadonlyMap<PolicyId, number>) {
    this.#groups = groups;
    this.#kinds = kinds;
  }

  add(policy: Policy): void {
    this.#policies.push(policy);
    this.cost += costOfClasses(policy, this.#groups, this.#kinds);
    for (const id of textOf(policy).groups) {
      const users = this.#users.get(id) ?? 0;
      this.#users.set(id, users + 1);
      if (users === 0) this.cost += groupCost(id, this.#groups);
    }
  }

  /**
   * The largest policies, enough that the rest fits the budget if the real cost shrinks in proportion to the estimate. If it does not, the caller asks
   * again for at least twice as many.
   */
  largest({ cost, budget }: Excess, atLeast: number): Large[] {
    const all = this.#policies.map((policy) => ({ policy, own: costAlone(policy, this.#groups, this.#kinds) }));
    const largest = all
      .filter(({ own }) => own > 0)
      .sort((a, b) => b.own - a.own || compareText(a.policy.id, b.policy.id));
    const users = new Map(this.#users);
    let left = this.cost;
    let count = 0;
    while (count < largest.length && (count < atLeast || left * cost > this.cost * budget)) {
      const { policy } = largest[count++]!;
      left -= costOfClasses(policy, this.#groups, this.#kinds);
      for (const id of textOf(policy).groups) {
        users.set(id, users.get(id)! - 1);
        if (users.get(id) === 0) left -= groupCost(id, this.#groups);
      }
    }
    return largest.slice(0, count);
  }
}

function costOfClasses(policy: Policy, groups: Groups, kinds: ReadonlyMap<PolicyId, number>): number {
  const { items, named } = textOf(policy);
  const resolved = named.reduce((sum, each) => sum + namedCost(each, groups), 0);
  return (items + resolved) * (kinds.get(policy.id) ?? 0);
}

function costAlone(policy: Policy, groups: Groups, kinds: ReadonlyMap<PolicyId, number>): number {
  return textOf(policy).groups.reduce((sum, id) => sum + groupCost(id, groups), costOfClasses(policy, groups, kinds));
}

export function countKinds(pods: PodKinds): Map<PolicyId, number> {
  const counts = new Map<PolicyId, number>();
  for (const [{ policies }] of pods.values()) for (const id of policies) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** A pod has at most one address of each family. Checking which pods have both would cost what this estimate saves. */
const addressesEach = 2;

function groupCost(id: GroupId, groups: Groups): number {
  return costOfSet + addressesEach * membersOf(id, groups);
}

function namedCost({ peers, ports }: PolicyRule, groups: Groups): number {
  return ports.reduce((sum, port) => sum + (port.kind === 'named' ? costOfName(peers, port.declarers, groups) : 0), 0);
}

export function membersOf(id: GroupId, groups: Groups): number {
  return groups.get(id)?.members.size ?? 0;
}

export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
