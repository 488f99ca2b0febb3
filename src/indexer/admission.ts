import { compareText } from '../lib/sort.ts';
import type { GroupId, Policy, PolicyId, Selection } from '../model/policy.ts';
import type { LeftOut } from '../model/snapshot.ts';

/** What looking for the members of a namespace's groups may cost: a pod that is looked at is one. Each may become an entry of some 100 bytes. */
export const defaultFillBudget = 600_000;

interface Ledger {
  readonly wanted: Map<PolicyId, Policy>;
  readonly admitted: Set<PolicyId>;
  readonly groups: Map<GroupId, { users: number; readonly cost: number }>;
  cost: number;
  isDirty: boolean;
}

/**
 * Whose groups are filled (S9.13). A group of a policy of a few bytes may have every pod of the cluster, so what that costs is estimated before, and
 * charged to the policy's namespace. Over the budget, policies with the most groups are left out first: they isolate, and allow nothing (S9.10).
 */
export class Admission {
  readonly #ledgers = new Map<string, Ledger>();
  readonly #estimate: (selection: Selection) => number;
  readonly #budget: number;
  readonly #leftOut = new Map<PolicyId, LeftOut>();

  constructor(estimate: (selection: Selection) => number, budget: number) {
    this.#estimate = estimate;
    this.#budget = budget;
  }

  /** Says how the policy is in force now; `later`: that is decided when all are looked at. */
  set(id: PolicyId, policy: Policy | undefined): Policy | 'later' | undefined {
    if (!policy && !this.#ledgers.get(namespaceOf(id))?.wanted.has(id)) return undefined;
    const ledger = this.#ledgerOf(id);
    const wasFull = ledger.admitted.size < ledger.wanted.size;
    this.#release(ledger, id);
    ledger.wanted.delete(id);
    this.#leftOut.delete(id);
    if (policy) {
      ledger.wanted.set(id, policy);
      if (wasFull || !this.#admit(ledger, policy)) {
        ledger.isDirty = true;
        return 'later';
      }
    } else if (ledger.wanted.size === 0) this.#ledgers.delete(namespaceOf(id));
    else if (wasFull) ledger.isDirty = true;
    return policy;
  }

  get isSettled(): boolean {
    return this.#ledgers.values().every(({ isDirty }) => !isDirty);
  }

  /** Members have come, so that what was estimated may be too little. */
  doubt(): void {
    for (const ledger of this.#ledgers.values()) ledger.isDirty = true;
  }

  /** Decides anew where that has to be. @param put takes each policy that is in force in another way */
  settle(put: (id: PolicyId, policy: Policy) => void): void {
    for (const ledger of this.#ledgers.values()) {
      if (!ledger.isDirty) continue;
      ledger.isDirty = false;
      ledger.admitted.clear();
      ledger.groups.clear();
      ledger.cost = 0;
      const smallestFirst = [...ledger.wanted.values()].sort(
        (a, b) => a.groups.size - b.groups.size || compareText(a.id, b.id),
      );
      let isFull = false;
      for (const policy of smallestFirst) {
        // Also those without groups that come later in the order have none to be filled.
        isFull ||= !this.#admit(ledger, policy);
        if (isFull) this.#leftOut.set(policy.id, { groups: policy.groups.size, budget: this.#budget });
        else this.#leftOut.delete(policy.id);
        put(policy.id, isFull ? withoutAllows(policy) : policy);
      }
    }
  }

  get leftOut(): ReadonlyMap<PolicyId, LeftOut> {
    return this.#leftOut;
  }

  get size(): number {
    return this.#ledgers.size + this.#leftOut.size;
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

  /** Stops looking at what groups would cost as soon as it is too much. */
  #admit(ledger: Ledger, policy: Policy): boolean {
    const costs = new Map<GroupId, number>();
    let cost = ledger.cost;
    for (const [id, selection] of policy.groups) {
      if (ledger.groups.has(id)) continue;
      const ofGroup = this.#estimate(selection);
      cost += ofGroup;
      if (cost > this.#budget) return false;
      costs.set(id, ofGroup);
    }
    ledger.cost = cost;
    ledger.admitted.add(policy.id);
    for (const id of policy.groups.keys()) {
      const known = ledger.groups.get(id);
      if (known) known.users++;
      else ledger.groups.set(id, { users: 1, cost: costs.get(id)! });
    }
    return true;
  }

  #release(ledger: Ledger, id: PolicyId): void {
    if (!ledger.admitted.delete(id)) return;
    for (const group of ledger.wanted.get(id)!.groups.keys()) {
      const known = ledger.groups.get(group)!;
      if (--known.users > 0) continue;
      ledger.groups.delete(group);
      ledger.cost -= known.cost;
    }
  }
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
