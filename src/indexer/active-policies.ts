import { findDenying, withoutAllows } from '../model/order.ts';
import { directions, type Direction, type Policy, type PolicyId, type GroupSelection } from '../model/policy.ts';
import type { LeftOut, PodKey } from '../model/snapshot.ts';
import { Admission, type FillBudgets } from './admission.ts';
import { CountedSet } from '../lib/counted-set.ts';
import { ObservedMap } from './delta-log.ts';
import type { GroupTable } from './group-table.ts';
import { sizeOfAll } from '../lib/table-size.ts';

const noPolicies: ReadonlySet<PolicyId> = new Set();

/** The policies in force: they select a subject of this node (`subjects.ts`). A policy over its namespace's budget is in force and allows nothing. */
export class ActivePolicies {
  readonly #all = new Map<PolicyId, Policy>();
  /** Number of policies that select pods by labels of their namespace. */
  #selectingByNamespace = 0;
  readonly #ofPods = new Map<PodKey, Set<PolicyId>>();
  /** Policies that select a pod in `#ofPods`. */
  readonly #selecting = new CountedSet<PolicyId>();
  readonly #active: ObservedMap<PolicyId, Policy>;
  readonly #groups: GroupTable;
  readonly #admission: Admission;
  /** `GroupTable.memberships` at the last decision of admission. */
  #decidedAt = 0;
  readonly #maxGrowth: number;

  /** @param note is called whenever a policy in force changes */
  constructor(
    groups: GroupTable,
    estimate: (selection: GroupSelection) => number,
    fillBudgets: FillBudgets,
    note: () => void,
  ) {
    this.#groups = groups;
    this.#admission = new Admission(estimate, fillBudgets);
    this.#maxGrowth = fillBudgets.namespace / 4;
    this.#active = new ObservedMap(note);
  }

  get(id: PolicyId): Policy | undefined {
    return this.#all.get(id);
  }

  /** The policies in force. Policies in `leftOut` allow nothing here. */
  get active(): ReadonlyMap<PolicyId, Policy> {
    return this.#active;
  }

  get leftOut(): ReadonlyMap<PolicyId, LeftOut> {
    return this.#admission.leftOut;
  }

  get ofPods(): ReadonlyMap<PodKey, ReadonlySet<PolicyId>> {
    return this.#ofPods;
  }

  of(key: PodKey): ReadonlySet<PolicyId> {
    return this.#ofPods.get(key) ?? noPolicies;
  }

  /** The directions in which policies may deny the pod something. */
  denying(key: PodKey): Set<Direction> {
    return new Set(directions.filter((direction) => findDenying(this.of(key), this.#all, direction).length > 0));
  }

  /** Whether the labels of a namespace say which policies select its pods. */
  get needNamespaces(): boolean {
    return this.#selectingByNamespace > 0;
  }

  /** Call `add` and `remove` afterwards for the pods that the policy selects. Retains the new version's groups before it releases the old ones. */
  replace(id: PolicyId, policy: Policy | undefined): void {
    this.#selectingByNamespace += Number(selectsByNamespace(policy)) - Number(selectsByNamespace(this.#all.get(id)));
    if (policy) this.#all.set(id, policy);
    else this.#all.delete(id);
    if (this.#selecting.has(id)) this.#activate(id, policy);
  }

  setOf(key: PodKey, policies: ReadonlySet<PolicyId>): void {
    for (const id of policies) this.add(key, id);
    for (const id of this.of(key)) if (!policies.has(id)) this.remove(key, id);
  }

  add(key: PodKey, id: PolicyId): void {
    const policies = this.#ofPods.get(key);
    if (policies?.has(id)) return;
    if (policies) policies.add(id);
    else this.#ofPods.set(key, new Set([id]));
    this.#selecting.add(id);
    if (!this.#active.has(id)) this.#activate(id, this.#all.get(id));
  }

  remove(key: PodKey, id: PolicyId): void {
    const policies = this.#ofPods.get(key);
    if (!policies?.delete(id)) return;
    if (policies.size === 0) this.#ofPods.delete(key);
    this.#selecting.remove(id);
    if (!this.#selecting.has(id)) this.#activate(id, undefined);
  }

  /** Decides admission again if groups have grown so much that the estimates may be too low. */
  checkGrowth(): void {
    // If memberships have shrunk, count growth from the smaller number.
    this.#decidedAt = Math.min(this.#decidedAt, this.#groups.memberships);
    if (this.#groups.memberships <= this.#decidedAt + this.#maxGrowth) return;
    this.#admission.invalidate();
    this.decideAdmission();
  }

  /** Decides which policies' groups are filled, if a decision is pending. */
  decideAdmission(): void {
    if (this.#admission.isDecided) return;
    this.#admission.decide((id, policy) => {
      if (this.#active.get(id) !== policy) this.#put(id, policy);
    });
    this.#decidedAt = this.#groups.memberships;
  }

  get size(): number {
    const own = this.#all.size + this.#active.size + this.#selecting.size + this.#admission.size;
    return own + sizeOfAll(this.#ofPods.values());
  }

  /** Puts a policy in force, replaces it, or removes it (`undefined`). */
  #activate(id: PolicyId, policy: Policy | undefined): void {
    const admitted = this.#admission.set(id, policy);
    // Until the decision, the policy isolates and allows nothing.
    this.#put(id, admitted === 'pending' ? withoutAllows(policy!) : admitted);
  }

  #put(id: PolicyId, policy: Policy | undefined): void {
    const before = this.#active.get(id);
    if (policy) this.#active.set(id, policy);
    else this.#active.delete(id);
    this.#groups.replace(before?.groups, policy?.groups);
  }
}

function selectsByNamespace(policy: Policy | undefined): boolean {
  return (
    policy !== undefined && typeof policy.appliesTo.namespaces === 'object' && 'selector' in policy.appliesTo.namespaces
  );
}
