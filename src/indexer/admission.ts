import { compareText } from '../lib/sort.ts';
import {
  defaultNamespaceBudget,
  isOfAudits,
  namespaceOf,
  nodeBudget,
  payerOf,
  payerOfAudits,
} from '../model/budget.ts';
import { withoutAllows } from '../model/order.ts';
import type { GroupId, GroupSelection, Policy, PolicyId } from '../model/policy.ts';
import type { LeftOut } from '../model/snapshot.ts';
import { shareBudget, type Share } from './share-budget.ts';

/** Limits for filling groups with members. The unit is one pod visited; each may become an entry of about 100 bytes. */
export interface FillBudgets {
  readonly namespace: number;
  /** Limit for all namespaces together. Each namespace is guaranteed an equal share, and may use what others leave. */
  readonly node: number;
}

/** @param namespace the budget for the rules of a namespace (`compile/budgets.ts`) */
export function fillBudgetsOf(namespace: number): FillBudgets {
  return { namespace: 1.5 * namespace, node: nodeBudget / 2 };
}

export const noFillBudgets: FillBudgets = { namespace: Infinity, node: Infinity };

export const defaultFillBudgets = fillBudgetsOf(defaultNamespaceBudget);

interface Ledger {
  readonly wanted: Map<PolicyId, Policy>;
  /** The policies within the namespace's own budget. */
  readonly admitted: Set<PolicyId>;
  /** The groups of `admitted`, with the number of policies that name each. */
  readonly groups: Map<GroupId, number>;
  cost: number;
}

/**
 * Decides which policies' groups the indexer fills (S9.13). A policy of a few bytes may name a group of every pod in the cluster. So the indexer first
 * estimates the cost and charges it to the policy's namespace. If a namespace is over its budget or over its share of the node's budget, its policies
 * with the most groups are left out first. They isolate and allow nothing (S9.10).
 */
export class Admission {
  readonly #ledgers = new Map<string, Ledger>();
  /** The namespaces for which `decide` must decide. */
  readonly #dirty = new Set<string>();
  readonly #estimate: (selection: GroupSelection) => number;
  readonly #budgets: FillBudgets;
  /** The groups of all ledgers. A group that several namespaces name counts once. */
  readonly #groups = new Map<GroupId, { ledgers: number; readonly cost: number }>();
  #cost = 0;
  /** By namespace that gets less than it wants because the node's budget is exhausted. */
  #shares: ReadonlyMap<string, Share> = new Map();
  #isShareStale = false;
  readonly #leftOut = new Map<PolicyId, LeftOut>();

  constructor(estimate: (selection: GroupSelection) => number, budgets: FillBudgets) {
    this.#estimate = estimate;
    this.#budgets = budgets;
  }

  /** Returns the policy to put in force; `pending` if `decide` must decide. */
  set(id: PolicyId, policy: Policy | undefined): Policy | 'pending' | undefined {
    // A policy that goes into audit, or out of it, changes who pays.
    const before = [namespaceOf(id), payerOfAudits(namespaceOf(id))].find((each) =>
      this.#ledgers.get(each)?.wanted.has(id),
    );
    if (!policy && before === undefined) return undefined;
    if (policy && before !== undefined && before !== payerOf(policy)) this.set(id, undefined);
    const namespace = policy ? payerOf(policy) : before!;
    const ledger = this.#ledgerOf(namespace);
    const wasFull = ledger.admitted.size < ledger.wanted.size;
    this.#release(ledger, id);
    ledger.wanted.delete(id);
    this.#leftOut.delete(id);
    if (policy) ledger.wanted.set(id, policy);
    if (wasFull || (policy && !this.#admit(ledger, policy))) this.#dirty.add(namespace);
    if (ledger.wanted.size === 0) {
      this.#ledgers.delete(namespace);
      this.#dirty.delete(namespace);
    }
    if (this.#shares.size > 0 || this.#cost > this.#budgets.node) this.#isShareStale = true;
    return policy && (this.#dirty.has(namespace) || this.#isShareStale) ? 'pending' : policy;
  }

  get isDecided(): boolean {
    return !this.#isShareStale && this.#dirty.size === 0;
  }

  /** Discards all estimates and decisions: groups have grown, so estimates may be too low. */
  invalidate(): void {
    for (const [namespace, ledger] of this.#ledgers) {
      this.#releaseAll(ledger);
      this.#dirty.add(namespace);
    }
  }

  /** Makes the pending decisions. @param put receives each policy of the namespaces concerned, with or without its rules */
  decide(put: (id: PolicyId, policy: Policy) => void): void {
    const touched = new Set(this.#shares.keys());
    for (const [namespace, ledger] of this.#ledgers) {
      if (!this.#dirty.has(namespace)) continue;
      this.#releaseAll(ledger);
      this.#admitAll(ledger);
      touched.add(namespace);
    }
    this.#dirty.clear();
    this.#shares = this.#cost > this.#budgets.node ? this.#shareBudget() : new Map();
    // If there were shares before, policies of any namespace may be pending.
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
          const budget = isWithin ? share!.part : this.#budgetOf(namespace);
          this.#leftOut.set(policy.id, { groups: policy.groups.size, budget });
          put(policy.id, withoutAllows(policy));
        }
      }
    }
    // Put these last: the policies that were left out have released their groups by now.
    for (const policy of admitted) put(policy.id, policy);
  }

  get leftOut(): ReadonlyMap<PolicyId, LeftOut> {
    return this.#leftOut;
  }

  get size(): number {
    return this.#ledgers.size + this.#groups.size + this.#leftOut.size;
  }

  /** Policies without a namespace are those of the cluster's operators: they may use half of the node's. */
  #budgetOf(namespace: string): number {
    return namespace === '' ? Math.max(this.#budgets.namespace, this.#budgets.node / 2) : this.#budgets.namespace;
  }

  #ledgerOf(namespace: string): Ledger {
    let ledger = this.#ledgers.get(namespace);
    if (!ledger) {
      ledger = { wanted: new Map(), admitted: new Set(), groups: new Map(), cost: 0 };
      this.#ledgers.set(namespace, ledger);
    }
    return ledger;
  }

  #shareBudget(): Map<string, Share> {
    const demands = Array.from(this.#ledgers, ([namespace, ledger]) => {
      const policies = smallestFirst(ledger).filter(({ id }) => ledger.admitted.has(id));
      return { namespace, cost: ledger.cost, policies };
    });
    const costOf = (group: GroupId): number => this.#groups.get(group)!.cost;
    const audits = demands.filter(({ namespace }) => isOfAudits(namespace));
    const enforced = demands.filter(({ namespace }) => !isOfAudits(namespace));
    // Audits get what enforced policies leave.
    const wanted = enforced.reduce((sum, { cost }) => sum + cost, 0);
    const left = Math.max(0, this.#budgets.node - wanted);
    return new Map([...shareBudget(enforced, costOf, this.#budgets.node), ...shareBudget(audits, costOf, left)]);
  }

  /** Admits policies until the first one that exceeds the budget. */
  #admitAll(ledger: Ledger): void {
    for (const policy of smallestFirst(ledger)) if (!this.#admit(ledger, policy)) return;
  }

  /** Stops estimating as soon as the cost exceeds the budget. */
  #admit(ledger: Ledger, policy: Policy): boolean {
    const costs = new Map<GroupId, number>();
    let cost = ledger.cost;
    for (const [id, selection] of policy.groups) {
      if (ledger.groups.has(id)) continue;
      const ofGroup = this.#groups.get(id)?.cost ?? this.#estimate(selection);
      cost += ofGroup;
      if (cost > this.#budgetOf(payerOf(policy))) return false;
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
