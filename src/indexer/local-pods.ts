import { sorted } from '../lib/sort.ts';
import type { Link, Pod } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';
import { addressIssues } from './address-issues.ts';
import type { ActivePolicies } from './active-policies.ts';
import { NotingMap } from './delta-log.ts';
import type { Ownership } from './ownership.ts';

/** The pods of this node, as the Snapshot shows them. */
export class LocalPods {
  readonly #ownership: Ownership;
  readonly #policies: ActivePolicies;
  readonly #staleAddresses: (key: PodKey) => readonly string[];
  readonly #current: NotingMap<PodKey, LocalPod>;
  /** Whose policies have changed: many may, before anybody looks. */
  readonly #stale = new Map<PodKey, Pod>();
  /** With an address that could not be honoured. */
  readonly #troubled = new Map<PodKey, Pod>();
  #lastList: { readonly told: readonly PolicyId[]; readonly ascending: readonly PolicyId[] } = {
    told: [],
    ascending: [],
  };

  /**
   * @param staleAddresses those that the API server alone gives a pod
   * @param note is called at each change
   */
  constructor(
    ownership: Ownership,
    policies: ActivePolicies,
    staleAddresses: (key: PodKey) => readonly string[],
    note: () => void,
  ) {
    this.#ownership = ownership;
    this.#policies = policies;
    this.#staleAddresses = staleAddresses;
    this.#current = new NotingMap(note);
  }

  get current(): ReadonlyMap<PodKey, LocalPod> {
    for (const [key, pod] of this.#stale) this.refresh(key, pod, this.#policies.of(key));
    return this.#current;
  }

  /** Those that have an address of which no link is known. */
  get unlinked(): readonly LocalPod[] {
    return this.#current
      .values()
      .filter(({ addresses, links }) => links.size < addresses.length)
      .toArray();
  }

  /** Addresses that could not be honoured, by pod. */
  get issues(): ReadonlyMap<PodKey, readonly Issue[]> {
    return new Map(this.#troubled.entries().map(([key, pod]) => [key, this.#issuesOf(key, pod)]));
  }

  /** Its policies have changed. */
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
    const localPod: LocalPod = { key, ...mirror, addresses, links, ports, policies: this.#listOf(policies) };
    if (!isSamePod(localPod, this.#current.get(key))) this.#current.set(key, localPod);
    if (this.#issuesOf(key, pod).length > 0) this.#troubled.set(key, pod);
    else this.#troubled.delete(key);
  }

  forget(key: PodKey): void {
    this.#stale.delete(key);
    this.#current.delete(key);
    this.#troubled.delete(key);
  }

  get size(): number {
    return this.#current.size + this.#troubled.size;
  }

  /**
   * Pods that the same policies isolate have the very same list, where they come one after the other and were told of them in the same order: there
   * may be thousands of policies.
   */
  #listOf(policies: ReadonlySet<PolicyId>): readonly PolicyId[] {
    if (!hasInOrder(policies, this.#lastList.told)) {
      this.#lastList = { told: [...policies], ascending: sorted(policies) };
    }
    return this.#lastList.ascending;
  }

  #issuesOf(key: PodKey, pod: Pod): Issue[] {
    return addressIssues(key, pod, this.#staleAddresses(key), this.#ownership);
  }
}

function hasInOrder(policies: ReadonlySet<PolicyId>, told: readonly PolicyId[]): boolean {
  if (policies.size !== told.length) return false;
  let index = 0;
  for (const id of policies) if (id !== told[index++]) return false;
  return true;
}

/** A pod may have thousands of policies, so these are not made a text. */
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
