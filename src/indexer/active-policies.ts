import type { Direction, Policy, PolicyId, Selection } from '../model/policy.ts';
import type { LeftOut, PodKey } from '../model/snapshot.ts';
import { Admission, withoutAllows, type FillBudgets } from './admission.ts';
import { CountedSet } from './counted-set.ts';
import { NotingMap } from './delta-log.ts';
import type { GroupTable } from './group-table.ts';
import { sizeOfAll } from './table-size.ts';

const noPolicies: ReadonlySet<PolicyId> = new Set();

/** Which policies are in force: those of the subjects of this node, as far as the budgets of their namespaces go. */
export class ActivePolicies {
  readonly #all = new Map<PolicyId, Policy>();
  readonly #ofPods = new Map<PodKey, Set<PolicyId>>();
  /** Those of some pod in `#ofPods`. */
  readonly #selecting = new CountedSet<PolicyId>();
  readonly #active: NotingMap<PolicyId, Policy>;
  readonly #groups: GroupTable;
  readonly #admission: Admission;
  /** How many memberships there were when it was decided last whose groups are filled. */
  #decidedAt = 0;
  readonly #mostGrowth: number;

  /** @param note is called at each change of what is in force */
  constructor(
    groups: GroupTable,
    estimate: (selection: Selection) => number,
    fillBudgets: FillBudgets,
    note: () => void,
  ) {
    this.#groups = groups;
    this.#admission = new Admission(estimate, fillBudgets);
    this.#mostGrowth = fillBudgets.namespace / 4;
    this.#active = new NotingMap(note);
  }

  get(id: PolicyId): Policy | undefined {
    return this.#all.get(id);
  }

  /** Those in force; what is left out without its rules. */
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

  /** The directions in which policies isolate the pod. */
  isolating(key: PodKey): Set<Direction> {
    const policies = Iterator.from(this.of(key)).map((id) => this.#all.get(id));
    return new Set(policies.flatMap((policy) => policy?.isolates ?? []));
  }

  /** To which pods it applies is told after that. The groups of the new version are retained before those of the old are released. */
  replace(id: PolicyId, policy: Policy | undefined): void {
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

  /** Members come: soon what was estimated may be too little. */
  checkGrowth(): void {
    if (this.#groups.memberships <= this.#decidedAt + this.#mostGrowth) return;
    this.#admission.doubt();
    this.settle();
  }

  /** Decides whose groups are filled, where that has to be decided. */
  settle(): void {
    if (this.#admission.isSettled) return;
    this.#admission.settle((id, policy) => {
      if (this.#active.get(id) !== policy) this.#put(id, policy);
    });
    this.#decidedAt = this.#groups.memberships;
  }

  get size(): number {
    const own = this.#all.size + this.#active.size + this.#selecting.size + this.#admission.size;
    return own + sizeOfAll(this.#ofPods.values());
  }

  /** Puts a policy in force, replaces it, or takes it out. */
  #activate(id: PolicyId, policy: Policy | undefined): void {
    const admitted = this.#admission.set(id, policy);
    // Until that is decided it isolates.
    this.#put(id, admitted === 'later' ? withoutAllows(policy!) : admitted);
  }

  #put(id: PolicyId, policy: Policy | undefined): void {
    const before = this.#active.get(id);
    if (policy) this.#active.set(id, policy);
    else this.#active.delete(id);
    this.#groups.replace(before?.groups, policy?.groups);
  }
}
