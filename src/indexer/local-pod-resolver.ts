import type { Link, ObjectKey, Pod, Sandbox } from '../model/cluster.ts';
import type { PodKey } from '../model/snapshot.ts';
import { CountedSet } from './counted-set.ts';
import { noPod, type LocalAddressState } from './ownership.ts';
import { latestOf, podOf, SandboxTable } from './sandbox-table.ts';
import { sizeOfAll } from './table-size.ts';

/** A pod that can own addresses (S1.3, S1.4), with those that it may claim: of this node's pods, what the sandbox says before what the API server says. */
export interface AddressClaimant {
  readonly pod: Pod;
  /** The one that the addresses are from. */
  readonly sandbox?: Sandbox;
  /** What the API server gives the pod, and its sandbox does not. */
  readonly stale?: readonly string[];
}

export interface ClaimChange {
  readonly key: PodKey;
  readonly before: AddressClaimant | undefined;
  readonly after: AddressClaimant | undefined;
}

export interface ClaimChanges {
  readonly changes: readonly ClaimChange[];
  /** Whose claimants may be others now, or of which this node says something else (`localAddressState`). */
  readonly addresses: Iterable<string>;
}

/** What is made of a key that this node has a part in. */
interface LocalPodEntry {
  readonly residents: readonly AddressClaimant[];
  /** How many of its sandboxes, live or not, are of a pod that is known. */
  readonly matched: number;
  /** The live ones of which it is not. */
  readonly unknown: readonly Sandbox[];
}

/** Brings together the pods that the API server tells of, and what this node knows of its own. */
export class LocalPodResolver {
  readonly #nodeName: string;
  /** All that can own addresses; of this node's, and of those that have no node yet, the others too. */
  readonly #watched = new Map<ObjectKey, Pod>();
  readonly #fetched = new Map<ObjectKey, Pod>();
  readonly #sandboxes = new SandboxTable();
  #links: ReadonlyMap<string, Link> = new Map();
  readonly #here = new Map<ObjectKey, LocalPodEntry>();
  readonly #staleOf = new Map<PodKey, readonly string[]>();
  readonly #stale = new CountedSet<string>();
  /** Of all that is here; asked after every event, nearly none of which is of this node. */
  #unknown: readonly Sandbox[] | undefined;
  #matched = 0;
  #isToldKept = false;
  #isReadable = true;
  #kept = false;
  /** Pods looked at so far: what tests count instead of time. */
  visits = 0;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** The runtime keeps a record of its sandboxes, and it can be read: what is not in it is not there. */
  get kept(): boolean {
    return this.#kept;
  }

  /** Live sandboxes whose pod is not known. */
  get unknown(): readonly Sandbox[] {
    return (this.#unknown ??= this.#here
      .values()
      .flatMap(({ unknown }) => unknown)
      .toArray());
  }

  /** All there are: those of which this node has a part, then the others. */
  *all(): Generator<AddressClaimant> {
    for (const { residents } of this.#here.values()) yield* residents;
    for (const key of this.#watched.keys()) if (!this.#here.has(key)) yield* this.#residentsOf(key);
  }

  /** Addresses that the API server alone gives the pod of this node. */
  staleOf(key: PodKey): readonly string[] {
    return this.#staleOf.get(key) ?? [];
  }

  /** What this node says of the address; `undefined` if nothing. */
  localAddressState(address: string): LocalAddressState | undefined {
    const sandbox = this.#sandboxes.holderOf(address);
    const residents = sandbox && this.#here.get(podOf(sandbox))?.residents;
    const owner = residents?.find((each) => each.sandbox === sandbox);
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

  setKept(): ClaimChanges {
    return this.#change([], () => {
      this.#isToldKept = true;
    });
  }

  setReadable(readable: boolean): ClaimChanges {
    return this.#change([], () => {
      this.#isReadable = readable;
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

  get size(): number {
    const here = this.#here.values().map(({ residents, unknown }) => ({ size: residents.length + unknown.length }));
    const tables = [this.#watched, this.#fetched, this.#sandboxes, this.#links, this.#staleOf, this.#stale];
    return tables.reduce((sum, table) => sum + table.size, sizeOfAll(here));
  }

  /** This node has no part in the key, before and after: so it is with nearly all pods of a large cluster. */
  #isElsewhere(key: ObjectKey, pod: Pod | undefined): boolean {
    return !this.#here.has(key) && !this.#fetched.has(key) && pod?.nodeName !== this.#nodeName;
  }

  /** What `#change` comes to where neither sandboxes nor addresses of this node are concerned. */
  #setElsewhere(key: ObjectKey, pod: Pod | undefined): ClaimChanges {
    this.visits++;
    const [earlier] = this.#residentsOf(key);
    if (pod) this.#watched.set(key, pod);
    else this.#watched.delete(key);
    const [later] = this.#residentsOf(key);
    const changes = changesOf(earlier, later);
    if (changes.length === 0 || !earlier) return { changes, addresses: changes.length > 0 ? later!.pod.addresses : [] };
    return { changes, addresses: new Set([...earlier.pod.addresses, ...(later?.pod.addresses ?? [])]) };
  }

  #change(keys: readonly ObjectKey[], change: () => void, touched: Iterable<string> = []): ClaimChanges {
    const earlier = new Map(keys.map((key) => [key, this.#residentsOf(key)]));
    change();
    for (const key of earlier.keys()) this.#derive(key);
    const kept = this.#isReadable && (this.#isToldKept || this.#matched > 0);
    if (kept !== this.#kept) {
      this.#kept = kept;
      for (const [key, { residents }] of [...this.#here]) {
        if (!earlier.has(key)) earlier.set(key, residents);
        this.#derive(key);
      }
    }
    const changes = [...earlier].flatMap(([key, residents]) => differences(residents, this.#residentsOf(key)));
    const addresses = new Set(touched);
    for (const { key, before, after } of changes) {
      this.#setStale(key, after?.stale ?? []);
      // A pod that comes or goes makes of its sandbox an owner, or none: those addresses are the pod's own.
      for (const each of [before, after]) {
        for (const address of [...(each?.pod.addresses ?? []), ...(each?.stale ?? [])]) addresses.add(address);
      }
    }
    return { changes, addresses };
  }

  #residentsOf(key: ObjectKey): readonly AddressClaimant[] {
    const here = this.#here.get(key);
    if (here) return here.residents;
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
    const watched = this.#watched.get(key);
    if (count === 0 && watched?.nodeName !== this.#nodeName) return;
    const residents: AddressClaimant[] = [];
    for (const pod of [watched, this.#fetched.get(key)]) {
      if (!pod) continue;
      const own = this.#mayBeHere(pod) ? [...rest].filter(({ uid }) => uid === (pod.mirrorOf ?? pod.uid)) : [];
      for (const sandbox of own) rest.delete(sandbox);
      const current = latestOf(own.filter(({ live }) => live));
      if (canOwnAddress(pod) && (current || pod === watched)) residents.push(this.#settle(pod, current));
    }
    const matched = count - rest.size;
    this.#matched += matched;
    this.#here.set(key, { residents, matched, unknown: [...rest].filter(({ live }) => live) });
  }

  #settle(pod: Pod, sandbox: Sandbox | undefined): AddressClaimant {
    if (sandbox) {
      const { addresses } = sandbox;
      const stale = pod.addresses.filter((address) => !addresses.includes(address));
      return { pod: { ...pod, nodeName: this.#nodeName, addresses }, sandbox, stale };
    }
    if (pod.nodeName !== this.#nodeName || !this.#kept) return { pod };
    return { pod: { ...pod, addresses: [] }, stale: pod.addresses };
  }

  /** A sandbox of its uid shows where a pod is of which the watch has not brought the node yet. */
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

/** `join` makes one flat string, where a template would leave a tree of five, for as long as the pod is there. */
function podKeyOf({ namespace, name, uid }: Pod): PodKey {
  return [namespace, name, uid].join('/');
}

/** S1.3, S1.4. */
function canOwnAddress(pod: Pod): boolean {
  return !pod.hostNetwork && !pod.terminal;
}

function differences(before: readonly AddressClaimant[], after: readonly AddressClaimant[]): ClaimChange[] {
  const keys = new Set([...before, ...after].map(({ pod }) => podKeyOf(pod)));
  return [...keys].flatMap((key) => {
    const find = (residents: readonly AddressClaimant[]) => residents.find(({ pod }) => podKeyOf(pod) === key);
    const change = { key, before: find(before), after: find(after) };
    return isSame(change.before, change.after) ? [] : [change];
  });
}

/** The same for at most one on each side. */
function changesOf(before: AddressClaimant | undefined, after: AddressClaimant | undefined): ClaimChange[] {
  if (before && after && before.pod.uid === after.pod.uid) {
    return isSame(before, after) ? [] : [{ key: podKeyOf(after.pod), before, after }];
  }
  return [
    ...(before ? [{ key: podKeyOf(before.pod), before, after: undefined }] : []),
    ...(after ? [{ key: podKeyOf(after.pod), before: undefined, after }] : []),
  ];
}

function isSame(a: AddressClaimant | undefined, b: AddressClaimant | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
