import { sorted } from '../lib/sort.ts';
import type { Link, Pod } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';
import { addressIssues } from '../ownership/address-issues.ts';
import type { ActivePolicies } from './active-policies.ts';
import { ObservedMap } from './delta-log.ts';
import type { Ownership } from '../ownership/ownership.ts';

/** The pods of this node, as the Snapshot shows them. */
export class LocalPods {
  readonly #ownership: Ownership;
  readonly #policies: ActivePolicies;
  readonly #isHeldBack: (address: string) => boolean;
  readonly #staleAddresses: (key: PodKey) => readonly string[];
  readonly #current: ObservedMap<PodKey, LocalPod>;
  /** Pods whose policies have changed. `current` refreshes each once, however many policies changed. */
  readonly #stale = new Map<PodKey, Pod>();
  /** Pods with address issues. */
  readonly #withIssues = new Map<PodKey, Pod>();
  #lastList: { readonly given: readonly PolicyId[]; readonly ascending: readonly PolicyId[] } = {
    given: [],
    ascending: [],
  };

  /**
   * @param staleAddresses addresses of a pod that only the API server reports
   * @param isHeldBack as in `DeniedAddresses`
   * @param note is called at each change
   */
  constructor(
    ownership: Ownership,
    policies: ActivePolicies,
    staleAddresses: (key: PodKey) => readonly string[],
    isHeldBack: (address: string) => boolean,
    note: () => void,
  ) {
    this.#ownership = ownership;
    this.#policies = policies;
    this.#staleAddresses = staleAddresses;
    this.#isHeldBack = isHeldBack;
    this.#current = new ObservedMap(note);
  }

  get current(): ReadonlyMap<PodKey, LocalPod> {
    for (const [key, pod] of this.#stale) this.refresh(key, pod, this.#policies.of(key));
    return this.#current;
  }

  /** Pods with an address whose link is unknown. */
  get unlinked(): readonly LocalPod[] {
    return this.#current
      .values()
      .filter(({ addresses, links }) => links.size < addresses.length)
      .toArray();
  }

  /** By pod, issues of addresses that it claims but may not use. */
  get issues(): ReadonlyMap<PodKey, readonly Issue[]> {
    return new Map(this.#withIssues.entries().map(([key, pod]) => [key, this.#issuesOf(key, pod)]));
  }

  /** Call it when the pod's policies have changed. */
  touch(key: PodKey, pod: Pod): void {
    this.#stale.set(key, pod);
  }

  refresh(key: PodKey, pod: Pod, policies: ReadonlySet<PolicyId>): void {
    this.#stale.delete(key);
    const addresses = this.#ownership.owned(key, pod);
    const links = new Map<string, Link>();
    for (const address of addresses) {
      const link = this.#ownership.linkOf(address);
      if (link) links.set(address, link);
    }
    const { ports, mirrorOf } = pod;
    const mirror = mirrorOf === undefined ? {} : { mirrorOf };
    const held = addresses.some((each) => this.#isHeldBack(each)) ? ({ isHeldBack: true } as const) : {};
    const localPod: LocalPod = { key, ...mirror, addresses, links, ports, policies: this.#listOf(policies), ...held };
    if (!isSamePod(localPod, this.#current.get(key))) this.#current.set(key, localPod);
    if (this.#issuesOf(key, pod).length > 0) this.#withIssues.set(key, pod);
    else this.#withIssues.delete(key);
  }

  forget(key: PodKey): void {
    this.#stale.delete(key);
    this.#current.delete(key);
    this.#withIssues.delete(key);
  }

  get size(): number {
    return this.#current.size + this.#withIssues.size;
  }

  /**
   * Saves memory: consecutive pods with the same policies in the same order share one list. There may be thousands of policies.
   */
  #listOf(policies: ReadonlySet<PolicyId>): readonly PolicyId[] {
    if (!hasInOrder(policies, this.#lastList.given)) {
      this.#lastList = { given: [...policies], ascending: sorted(policies) };
    }
    return this.#lastList.ascending;
  }

  #issuesOf(key: PodKey, pod: Pod): Issue[] {
    return addressIssues(key, pod, this.#staleAddresses(key), this.#ownership, this.#isHeldBack);
  }
}

function hasInOrder(policies: ReadonlySet<PolicyId>, list: readonly PolicyId[]): boolean {
  if (policies.size !== list.length) return false;
  let index = 0;
  for (const id of policies) if (id !== list[index++]) return false;
  return true;
}

/** Compares policies without serialising them: a pod may have thousands. */
function isSamePod(a: LocalPod, b: LocalPod | undefined): boolean {
  return (
    b !== undefined &&
    a.policies.length === b.policies.length &&
    a.policies.every((id, index) => id === b.policies[index]) &&
    textOf(a) === textOf(b)
  );
}

function textOf(pod: LocalPod): string {
  return JSON.stringify({ ...pod, policies: undefined, links: [...pod.links] });
}
