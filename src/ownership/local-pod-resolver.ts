import type { Link, ObjectKey, Pod, Sandbox } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';
import { CountedSet } from '../lib/counted-set.ts';
import { isSamePod } from '../model/same-pod.ts';
import { noPod, type LocalAddressState } from './ownership.ts';
import { isSandboxOf, latestOf, podOf, SandboxIndex } from './sandbox-index.ts';
import { isSameList } from '../lib/is-same-list.ts';
import { sizeOfAll } from '../lib/table-size.ts';

/**
 * A pod that can own addresses (S1.3, S1.4), with the addresses that it may claim. For a local pod, the sandbox's addresses win over those of the API
 * server.
 */
export interface AddressClaimant {
  readonly pod: Pod;
  /** The sandbox that the addresses come from. */
  readonly sandbox?: Sandbox;
  /** Addresses in the pod's status that its sandbox does not have. */
  readonly stale?: readonly string[];
}

export interface ClaimChange {
  readonly key: PodKey;
  readonly before: AddressClaimant | undefined;
  readonly after: AddressClaimant | undefined;
}

export interface ClaimChanges {
  readonly changes: readonly ClaimChange[];
  /** Addresses whose claimants or `localAddressState` may have changed. */
  readonly addresses: Iterable<string>;
}

/** What an event changed that says nothing new. */
const noChanges: ClaimChanges = { changes: [], addresses: [] };

/** State of one `namespace/name` that has a sandbox on this node or a pod assigned to it. */
interface LocalPodEntry {
  readonly claimants: readonly AddressClaimant[];
  /** Number of its recorded sandboxes, live or not, whose pod is known. */
  readonly matched: number;
  /** Its live sandboxes whose pod is unknown. */
  readonly unknown: readonly Sandbox[];
}

/** Joins the pods of the API server with the sandboxes and links of this node. */
export class LocalPodResolver {
  readonly #nodeName: string;
  /** Pods that can own addresses, and all pods of this node or without a node. */
  readonly #watched = new Map<ObjectKey, Pod>();
  readonly #fetched = new Map<ObjectKey, Pod>();
  readonly #sandboxes = new SandboxIndex();
  #links: ReadonlyMap<string, Link> = new Map();
  readonly #here = new Map<ObjectKey, LocalPodEntry>();
  readonly #staleOf = new Map<PodKey, readonly string[]>();
  readonly #stale = new CountedSet<string>();
  /** Cache of `unknown`: the agent reads it after every event, and nearly all events are of other nodes. */
  #unknown: readonly Sandbox[] | undefined;
  #matched = 0;
  #sawCompleteCache = false;
  #isCacheReadable = true;
  #isCacheComplete = false;
  /** Pods visited so far. Tests count visits instead of time. */
  visits = 0;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** The agent can read the runtime's CNI result cache, and the cache is complete: what is not in it does not exist. */
  get cniCacheComplete(): boolean {
    return this.#isCacheComplete;
  }

  /** Live sandboxes whose pod the indexer does not know. */
  get unknown(): readonly Sandbox[] {
    return (this.#unknown ??= this.#here
      .values()
      .flatMap(({ unknown }) => unknown)
      .toArray());
  }

  /** All claimants of the cluster, local ones first. */
  *all(): Generator<AddressClaimant> {
    for (const { claimants } of this.#here.values()) yield* claimants;
    for (const key of this.#watched.keys()) if (!this.#here.has(key)) yield* this.#claimantsOf(key);
  }

  /** Addresses of a local pod that only the API server reports. */
  staleOf(key: PodKey): readonly string[] {
    return this.#staleOf.get(key) ?? [];
  }

  /** What this node knows about the address; `undefined` if nothing. */
  localAddressState(address: string): LocalAddressState | undefined {
    const sandbox = this.#sandboxes.holderOf(address);
    const claimants = sandbox && this.#here.get(podOf(sandbox))?.claimants;
    const owner = claimants?.find((each) => each.sandbox === sandbox);
    const link = sandbox?.link ?? this.#links.get(address);
    const stale = this.#stale.has(address);
    if (!sandbox && !link && !stale) return undefined;
    return { holder: sandbox && (owner ? podKeyOf(owner.pod) : noPod), link, stale };
  }

  setWatched(key: ObjectKey, value: Pod | undefined): ClaimChanges {
    const pod = value && (canOwnAddress(value) || this.#mayBeHere(value)) ? value : undefined;
    if (this.#isElsewhere(key, pod)) return this.#setElsewhere(key, pod);
    return this.#change([key], () => {
      if (pod) this.#watched.set(key, pod);
      else this.#watched.delete(key);
      if (pod && this.#fetched.get(key)?.uid === pod.uid) this.#fetched.delete(key);
    });
  }

  setFetched(key: ObjectKey, pod: Pod | undefined): ClaimChanges {
    return this.#change([key], () => {
      if (pod && pod.uid !== this.#watched.get(key)?.uid) this.#fetched.set(key, pod);
      else this.#fetched.delete(key);
    });
  }

  setSandbox(id: string, sandbox: Sandbox | undefined): ClaimChanges {
    const both = [this.#sandboxes.get(id), sandbox].filter((each) => each !== undefined);
    const addresses = both.flatMap((each) => each.addresses);
    return this.#change(both.map(podOf), () => this.#sandboxes.set(id, sandbox), addresses);
  }

  setCacheComplete(): ClaimChanges {
    return this.#change([], () => {
      this.#sawCompleteCache = true;
    });
  }

  setCacheReadable(readable: boolean): ClaimChanges {
    return this.#change([], () => {
      this.#isCacheReadable = readable;
    });
  }

  setLinks(links: ReadonlyMap<string, Link>): ClaimChanges {
    const before = this.#links;
    this.#links = new Map(links);
    const addresses = [...before.keys(), ...links.keys()].filter((address) => {
      const [a, b] = [before.get(address), links.get(address)];
      return a?.device !== b?.device || a?.port !== b?.port;
    });
    return { changes: [], addresses: new Set(addresses) };
  }

  /** Denies addresses until a sandbox has them, as if the API server reported them for a local pod. */
  setSaved(addresses: Iterable<string>): ClaimChanges {
    const saved = new Set(addresses);
    for (const address of saved) this.#stale.add(address);
    return { changes: [], addresses: saved };
  }

  get size(): number {
    const here = this.#here.values().map(({ claimants, unknown }) => ({ size: claimants.length + unknown.length }));
    const tables = [this.#watched, this.#fetched, this.#sandboxes, this.#links, this.#staleOf, this.#stale];
    return tables.reduce((sum, table) => sum + table.size, sizeOfAll(here));
  }

  /** Before and after the event, this node has neither sandbox nor pod of this key: true for nearly all pods of a large cluster. */
  #isElsewhere(key: ObjectKey, pod: Pod | undefined): boolean {
    return !this.#here.has(key) && !this.#fetched.has(key) && pod?.nodeName !== this.#nodeName;
  }

  /** A fast path of `#change` for keys without sandboxes and addresses of this node. */
  #setElsewhere(key: ObjectKey, pod: Pod | undefined): ClaimChanges {
    this.visits++;
    const known = this.#watched.get(key);
    // Most events of a cluster say nothing new. Then the earlier object stays: V8 would move the new one into the old generation.
    if (known === pod || (known && pod && isSamePod(known, pod))) return noChanges;
    const [earlier] = this.#claimantsOf(key);
    if (pod) this.#watched.set(key, pod);
    else this.#watched.delete(key);
    const [later] = this.#claimantsOf(key);
    const changes = changesOf(earlier, later);
    if (earlier && later && hasSameClaims(earlier, later)) return { changes, addresses: [] };
    return { changes, addresses: new Set([...(earlier?.pod.addresses ?? []), ...(later?.pod.addresses ?? [])]) };
  }

  #change(keys: readonly ObjectKey[], change: () => void, touched: Iterable<string> = []): ClaimChanges {
    const earlier = new Map(keys.map((key) => [key, this.#claimantsOf(key)]));
    change();
    for (const key of earlier.keys()) this.#derive(key);
    const isComplete = this.#isCacheReadable && (this.#sawCompleteCache || this.#matched > 0);
    if (isComplete !== this.#isCacheComplete) {
      this.#isCacheComplete = isComplete;
      for (const [key, { claimants }] of [...this.#here]) {
        if (!earlier.has(key)) earlier.set(key, claimants);
        this.#derive(key);
      }
    }
    const changes = [...earlier].flatMap(([key, claimants]) => differences(claimants, this.#claimantsOf(key)));
    const addresses = new Set(touched);
    for (const { key, before, after } of changes) {
      this.#setStale(key, after?.stale ?? []);
      // A pod that appears or disappears changes whether its sandbox has an owner, and so the state of the pod's addresses.
      for (const each of [before, after]) {
        for (const address of [...(each?.pod.addresses ?? []), ...(each?.stale ?? [])]) addresses.add(address);
      }
    }
    return { changes, addresses };
  }

  #claimantsOf(key: ObjectKey): readonly AddressClaimant[] {
    const here = this.#here.get(key);
    if (here) return here.claimants;
    const pod = this.#watched.get(key);
    return pod && canOwnAddress(pod) ? [{ pod }] : [];
  }

  #derive(key: ObjectKey): void {
    this.visits++;
    this.#unknown = undefined;
    this.#matched -= this.#here.get(key)?.matched ?? 0;
    this.#here.delete(key);
    const rest = new Set(this.#sandboxes.ofPod(key));
    const count = rest.size;
    let matched = 0;
    const watched = this.#watched.get(key);
    if (count === 0 && watched?.nodeName !== this.#nodeName) return;
    const claimants: AddressClaimant[] = [];
    for (const pod of [watched, this.#fetched.get(key)]) {
      if (!pod) continue;
      const own = this.#mayBeHere(pod) ? [...rest].filter((sandbox) => isSandboxOf(sandbox, pod)) : [];
      for (const sandbox of own) rest.delete(sandbox);
      // What the CNI plugin tells does not show that the runtime records all sandboxes.
      matched += own.filter(({ isAnnounced }) => !isAnnounced).length;
      const current = latestOf(own.filter(({ live }) => live));
      if (canOwnAddress(pod) && (current || pod === watched)) claimants.push(this.#resolve(pod, current));
    }
    this.#matched += matched;
    this.#here.set(key, { claimants, matched, unknown: [...rest].filter(({ live }) => live) });
  }

  #resolve(pod: Pod, sandbox: Sandbox | undefined): AddressClaimant {
    if (sandbox) {
      const { addresses } = sandbox;
      const stale = pod.addresses.filter((address) => !addresses.includes(address));
      return { pod: { ...pod, nodeName: this.#nodeName, addresses }, sandbox, stale };
    }
    if (pod.nodeName !== this.#nodeName || !this.#isCacheComplete) return { pod };
    return { pod: { ...pod, addresses: [] }, stale: pod.addresses };
  }

  /** The watch may not have delivered the pod's node yet. Then a sandbox with the pod's uid shows that the pod is local. */
  #mayBeHere(pod: Pod): boolean {
    return pod.nodeName === undefined || pod.nodeName === this.#nodeName;
  }

  #setStale(key: PodKey, addresses: readonly string[]): void {
    for (const address of this.staleOf(key)) this.#stale.remove(address);
    for (const address of addresses) this.#stale.add(address);
    if (addresses.length > 0) this.#staleOf.set(key, addresses);
    else this.#staleOf.delete(key);
  }
}

/** `join` makes one flat string. V8 would keep a template's result as a tree of five strings for the pod's lifetime. */
function podKeyOf({ namespace, name, uid }: Pod): PodKey {
  return [namespace, name, uid].join('/');
}

/** Whether both have equal claims to the same addresses: what `Ownership.judge` says does not change, nor which node has them. */
export function hasSameClaims(before: AddressClaimant, after: AddressClaimant): boolean {
  const [a, b] = [before.pod, after.pod];
  if (a.uid !== b.uid || a.nodeName !== b.nodeName || a.terminating !== b.terminating) return false;
  return before.sandbox === after.sandbox && isSameList(a.addresses, b.addresses);
}

/** S1.3, S1.4. */
function canOwnAddress(pod: Pod): boolean {
  return !pod.hostNetwork && !pod.terminal;
}

function differences(before: readonly AddressClaimant[], after: readonly AddressClaimant[]): ClaimChange[] {
  const keys = new Set([...before, ...after].map(({ pod }) => podKeyOf(pod)));
  return [...keys].flatMap((key) => {
    const find = (claimants: readonly AddressClaimant[]) => claimants.find(({ pod }) => podKeyOf(pod) === key);
    const change = { key, before: find(before), after: find(after) };
    return isSame(change.before, change.after) ? [] : [change];
  });
}

/** Like `differences`, for at most one claimant on each side; these are not the same. */
function changesOf(before: AddressClaimant | undefined, after: AddressClaimant | undefined): ClaimChange[] {
  if (before && after && before.pod.uid === after.pod.uid) return [{ key: podKeyOf(after.pod), before, after }];
  return [
    ...(before ? [{ key: podKeyOf(before.pod), before, after: undefined }] : []),
    ...(after ? [{ key: podKeyOf(after.pod), before: undefined, after }] : []),
  ];
}

function isSame(a: AddressClaimant | undefined, b: AddressClaimant | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
