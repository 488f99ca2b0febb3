import type { Pod } from '../model/cluster.ts';
import type { Policy, PolicyId } from '../model/policy.ts';
import type { PodKey } from '../model/snapshot.ts';
import { isSameDeep } from '../lib/is-same-deep.ts';
import type { ActivePolicies } from './active-policies.ts';
import type { DeniedAddresses } from './denied-addresses.ts';
import type { LocalPods } from './local-pods.ts';
import type { NamespaceIndex } from './namespace-index.ts';
import type { Ownership } from '../ownership/ownership.ts';
import { PodIndex } from './pod-index.ts';
import { SelectionIndex } from './selection-index.ts';

interface Parts {
  readonly namespaces: NamespaceIndex;
  readonly ownership: Ownership;
  readonly policies: ActivePolicies;
  readonly localPods: LocalPods;
  readonly denied: DeniedAddresses;
  readonly isLocal: (pod: Pod) => boolean;
}

/** The pods whose policies this node needs: local pods, and other pods that claim a local pod's address (S1.10). */
export class Subjects {
  readonly #parts: Parts;
  readonly #pods = new PodIndex();
  /** The `appliesTo` selection of each policy. */
  readonly #selections: SelectionIndex;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#selections = new SelectionIndex(parts.namespaces);
  }

  replacePolicy(id: PolicyId, policy: Policy | undefined): void {
    const { namespaces, policies, localPods, isLocal } = this.#parts;
    // A write of its status or of an annotation makes a new version of the object: with the same rules, nothing has to be compiled (S10.31).
    if (policy && isSameDeep(policies.get(id), policy)) return;
    const selected = (each: Policy | undefined): Map<PodKey, Pod> =>
      new Map(each && this.#pods.find(each.appliesTo, namespaces));
    const had = selected(policies.get(id));
    this.#selections.remove(id);
    if (policy) this.#selections.add(id, policy.appliesTo);
    const has = selected(policy);
    const neededNamespaces = policies.needNamespaces;
    policies.replace(id, policy);
    if (policies.needNamespaces !== neededNamespaces) this.#touchUnplaced();
    // Only this policy has changed for these pods. A namespace may have thousands of pods or policies, so do not refresh everything.
    for (const key of has.keys()) policies.add(key, id);
    for (const key of had.keys()) if (!has.has(key)) policies.remove(key, id);
    for (const [key, pod] of [...had, ...has]) {
      if (isLocal(pod)) localPods.touch(key, pod);
      // Policies affect `denied` only for contested addresses.
      for (const address of pod.addresses) if (this.#isContested(address)) this.#parts.denied.touch(address);
    }
  }

  refresh(key: PodKey, pod: Pod): void {
    const { ownership, policies, localPods, denied } = this.#parts;
    const isLocal = this.#parts.isLocal(pod);
    const contests = (address: string) => ownership.judge(key, address) === 'contested' && this.#isContested(address);
    const isSubject = isLocal || pod.addresses.some(contests);
    const applying: ReadonlySet<PolicyId> = isSubject ? this.#selections.matching(pod) : new Set();
    if (isSubject) this.#pods.add(key, pod);
    else this.#pods.remove(key, pod);
    policies.setOf(key, applying);
    if (isLocal) localPods.refresh(key, pod, applying);
    else localPods.forget(key);
    for (const address of pod.addresses) denied.touch(address);
  }

  /** Whether it has the pod: one of this node, or one that claims a local pod's address. */
  has(key: PodKey, pod: Pod): boolean {
    return this.#pods.has(key, pod);
  }

  /** Call it before `refresh` with a changed pod object of the same key. */
  leave(key: PodKey, pod: Pod): void {
    this.#pods.remove(key, pod);
  }

  forget(key: PodKey, pod: Pod): void {
    this.#pods.remove(key, pod);
    this.#parts.policies.setOf(key, new Set());
    this.#parts.localPods.forget(key);
  }

  /** Number of pods and selections visited. Tests count visits instead of time. */
  get visits(): { readonly pods: number; readonly selections: number } {
    return { pods: this.#pods.visits, selections: this.#selections.visits };
  }

  get size(): number {
    return this.#pods.size + this.#selections.size;
  }

  /** Pods of this node whose Namespace object is not known: policies may select them by its labels. */
  #touchUnplaced(): void {
    const { namespaces, denied, localPods, isLocal } = this.#parts;
    for (const [key, pod] of this.#pods.inUnknownNamespaces(namespaces)) {
      for (const address of pod.addresses) denied.touch(address);
      if (isLocal(pod)) localPods.touch(key, pod);
    }
  }

  #isContested(address: string): boolean {
    return this.#parts.ownership.isContestedHere(address);
  }
}
