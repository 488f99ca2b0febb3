import { compareText } from '../lib/sort.ts';
import { defaultNamespaceBudget, nodeBudget } from '../model/budget.ts';
import type { GroupId, Policy, PolicyId, Selection } from '../model/policy.ts';
import type { LeftOut } from '../model/snapshot.ts';
import { shareRoom, type Share } from './share-room.ts';

/** What looking for the members of groups may cost: a pod that is looked at is one. Each may become an entry of some 100 bytes. */
export interface FillBudgets {
  readonly namespace: number;
  /** Of all namespaces together. Each is sure of an equal part of it, and has what others leave. */
  readonly node: number;
}

/** @param namespace what the rules of a namespace may cost (`compile/budgets.ts`) */
export function fillBudgetsOf(namespace: number): FillBudgets {
  return { namespace: 1.5 * namespace, node: nodeBudget / 2 };
}

export const defaultFillBudgets = fillBudgetsOf(defaultNamespaceBudget);

interface Ledger {
  readonly wanted: Map<PolicyId, Policy>;
  /** As far as the namespace's own budget goes. */
  readonly admitted: Set<PolicyId>;
  /** Of those, with how many of them name each. */
  readonly groups: Map<GroupId, number>;
  cost: number;
  isDirty: boolean;
}

/**
 * Whose groups are filled (S9.13). A group of a policy of a few bytes may have every pod of the cluster, so what that costs is estimated before, and
 * charged to the policy's namespace. Over its budget, or over its share of the node's, its policies with the most groups are left out first: they
 * isolate, and allow nothing (S9.10).
 */
export class Admission {
  readonly #ledgers = new Map<string, Ledger>();
  readonly #estimate: (selection: Selection) => number;
  readonly #budgets: FillBudgets;
  /** The groups of all ledgers. One that several namespaces name is there once. */
  readonly #groups = new Map<GroupId, { ledgers: number; readonly cost: number }>();
  #cost = 0;
  /** Of the namespaces that have less than they want, since the node has no more. */
  #shares: ReadonlyMap<string, Share> = new Map();
  #isShareStale = false;
  readonly #leftOut = new Map<PolicyId, LeftOut>();

  constructor(estimate: (selection: Selection) => number, budgets: FillBudgets) {
    this.#estimate = estimate;
    this.#budgets = budgets;
  }

  /** Says how the policy is in force now; `later`: that is decided when all are looked at. */
  set(id: PolicyId, policy: Policy | undefined): Policy | 'later' | undefined {
    if (!policy && !this.#ledgers.get(namespaceOf(id))?.wanted.has(id)) return undefined;
    const ledger = this.#ledgerOf(id);
    const wasFull = ledger.admitted.size < ledger.wanted.size;
    this.#release(ledger, id);
    ledger.wanted.delete(id);
    this.#leftOut.delete(id);
    if (policy) ledger.wanted.set(id, policy);
    else if (ledger.wanted.size === 0) this.#ledgers.delete(namespaceOf(id));
    if (wasFull || (policy && !this.#admit(ledger, policy))) ledger.isDirty = true;
    if (this.#shares.size > 0 || this.#cost > this.#budgets.node) this.#isShareStale = true;
    return policy && (ledger.isDirty || this.#isShareStale) ? 'later' : policy;
  }

  get isSettled(): boolean {
    return !this.#isShareStale && this.#ledgers.values().every(({ isDirty }) => !isDirty);
  }

  /** Members have come, so that what was estimated may be too little. */
  doubt(): void {
    for (const ledger of this.#ledgers.values()) {
      this.#releaseAll(ledger);
      ledger.isDirty = true;
    }
  }

  /** Decides anew where that has to be. @param put takes each policy that is in force in another way */
  settle(put: (id: PolicyId, policy: Policy) => void): void {
    const touched = new Set(this.#shares.keys());
    for (const [namespace, ledger] of this.#ledgers) {
      if (!ledger.isDirty) continue;
      ledger.isDirty = false;
      this.#releaseAll(ledger);
      this.#admitAll(ledger);
      touched.add(namespace);
    }
    this.#shares = this.#cost > this.#budgets.node ? this.#shareRoom() : new Map();
    // Where there were shares, a policy may wait whose namespace has all that it wants.
    const all = this.#isShareStale ? new Set(this.#ledgers.keys()) : touched.union(new Set(this.#shares.keys()));
    this.#isShareStale = false;
    const admitted: Policy[] = [];
    for (const namespace of all) {
      const share = this.#shares.get(namespace);
      const ledger = this.#ledgers.get(namespace);
      for (const policy of ledger?.wanted.values() ?? []) {
        const isWithin = ledger!.admitted.has(policy.id);
        if (isWithin && (share?.admitted.has(policy.id) ?? true)) {
          this.#leftOut.delete(policy.id);
          admitted.push(policy);
        } else {
          const budget = isWithin ? share!.part : this.#budgets.namespace;
          this.#leftOut.set(policy.id, { groups: policy.groups.size, budget });
          put(policy.id, withoutAllows(policy));
        }
      }
    }
    // Then those that are left out have made room.
    for (const policy of admitted) put(policy.id, policy);
  }

  get leftOut(): ReadonlyMap<PolicyId, LeftOut> {
    return this.#leftOut;
  }

  get size(): number {
    return this.#ledgers.size + this.#groups.size + this.#leftOut.size;
  }

  #ledgerOf(id: PolicyId): Ledger {
    const namespace = namespaceOf(id);
    let ledger = this.#ledgers.get(namespace);
    if (!ledger) {
      ledger = { wanted: new Map(), admitted: new Set(), groups: new Map(), cost: 0, isDirty: false };
      this.#ledgers.set(namespace, ledger);
    }
    return ledger;
  }

  #shareRoom(): Map<string, Share> {
    const demands = Array.from(this.#ledgers, ([namespace, ledger]) => {
      const policies = smallestFirst(ledger).filter(({ id }) => ledger.admitted.has(id));
      return { namespace, cost: ledger.cost, policies };
    });
    return shareRoom(demands, (group) => this.#groups.get(group)!.cost, this.#budgets.node);
  }

  /** Also those without groups that come after the first that is too much have none to be filled. */
  #admitAll(ledger: Ledger): void {
    for (const policy of smallestFirst(ledger)) if (!this.#admit(ledger, policy)) return;
  }

  /** Stops looking at what groups would cost as soon as it is too much. */
  #admit(ledger: Ledger, policy: Policy): boolean {
    const costs = new Map<GroupId, number>();
    let cost = ledger.cost;
    for (const [id, selection] of policy.groups) {
      if (ledger.groups.has(id)) continue;
      const ofGroup = this.#groups.get(id)?.cost ?? this.#estimate(selection);
      cost += ofGroup;
      if (cost > this.#budgets.namespace) return false;
      costs.set(id, ofGroup);
    }
    ledger.cost = cost;
    ledger.admitted.add(policy.id);
    for (const [id, ofGroup] of costs) this.#retain(id, ofGroup);
    for (const id of policy.groups.keys()) ledger.groups.set(id, (ledger.groups.get(id) ?? 0) + 1);
    return true;
  }

  #retain(id: GroupId, cost: number): void {
    const known = this.#groups.get(id);
    if (known) known.ledgers++;
    else {
      this.#groups.set(id, { ledgers: 1, cost });
      this.#cost += cost;
    }
  }

  #release(ledger: Ledger, id: PolicyId): void {
    if (!ledger.admitted.delete(id)) return;
    for (const group of ledger.wanted.get(id)!.groups.keys()) {
      const users = ledger.groups.get(group)! - 1;
      if (users > 0) ledger.groups.set(group, users);
      else this.#drop(ledger, group);
    }
  }

  #releaseAll(ledger: Ledger): void {
    for (const group of ledger.groups.keys()) this.#drop(ledger, group);
    ledger.admitted.clear();
  }

  #drop(ledger: Ledger, id: GroupId): void {
    const group = this.#groups.get(id)!;
    ledger.groups.delete(id);
    ledger.cost -= group.cost;
    if (--group.ledgers > 0) return;
    this.#groups.delete(id);
    this.#cost -= group.cost;
  }
}

function smallestFirst({ wanted }: Ledger): Policy[] {
  return [...wanted.values()].sort((a, b) => a.groups.size - b.groups.size || compareText(a.id, b.id));
}

function namespaceOf(id: PolicyId): string {
  return id.slice(0, id.indexOf('/'));
}

const stripped = new WeakMap<Policy, Policy>();

/** The very object each time: what tells that nothing has changed. */
export function withoutAllows(policy: Policy): Policy {
  let known = stripped.get(policy);
  if (!known) stripped.set(policy, (known = { ...policy, rules: { ingress: [], egress: [] }, groups: new Map() }));
  return known;
}
