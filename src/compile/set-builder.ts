import { shortHash } from '../lib/hash.ts';
import { familyOf, formatAddress, type AddressRange, type Family } from '../model/address.ts';
import type { GroupId } from '../model/policy.ts';
import type { AddressGroup, Delta, PodKey } from '../model/snapshot.ts';
import type { ElementChange, ElementChanges, Elements } from '../nftables/element-changes.ts';
import type { Element, KeyType, NftSet } from '../nftables/ruleset.ts';
import { notePrefixes, prefixesOf, prefixesOfPort } from './interval-rules.ts';
import { familyDigit } from './names.ts';
import { portRangeText } from './port-set.ts';
import { cutOverlaps, type Rectangle } from './rectangles.ts';
import type { Groups } from './resolve.ts';

export const addressType: Readonly<Record<Family, KeyType>> = { ipv4: 'ipv4_addr', ipv6: 'ipv6_addr' };

/** A set of `address . protocol . port`. Its elements change with the members of groups, so its name is a hash of the class. */
export function tuplesSet(family: Family, classText: string, tuples: ReadonlySet<Element>): NftSet {
  const name = `tuples${familyDigit[family]}-${shortHash(classText)}`;
  return { name, key: [addressType[family], 'inet_proto', 'inet_service'], interval: false, elements: tuples };
}

/** An interval set of `address . protocol . port`. Its name is a hash of its elements. */
export function rectanglesSet(family: Family, rectangles: readonly Rectangle[]): NftSet {
  const elements = new Set<Element>();
  let prefixes = 0;
  for (const { range, ports } of cutOverlaps(rectangles)) {
    for (const port of ports) {
      elements.add(`${rangeText(range)} . ${portRangeText(port)}`);
      prefixes += prefixesOf(range) + prefixesOfPort(port);
    }
  }
  const key: KeyType[] = [addressType[family], 'inet_proto', 'inet_service'];
  const name = `cidrports${familyDigit[family]}-${shortHash([...elements].join('\n'))}`;
  return notePrefixes({ name, key, interval: true, elements }, prefixes);
}

/**
 * An interval set of `address . protocol` with every protocol. Its name is a hash of its elements. The protocol makes the key a concatenation: nft
 * reads back a single-key interval set at every later change of any set (K18).
 */
export function rangesSet(family: Family, ranges: readonly AddressRange[]): NftSet {
  const elements = new Set(ranges.map((range) => `${rangeText(range)} . 0-255`));
  const name = `cidrs${familyDigit[family]}-${shortHash([...elements].join('\n'))}`;
  const set: NftSet = { name, key: [addressType[family], 'inet_proto'], interval: true, elements };
  return notePrefixes(
    set,
    ranges.reduce((sum, range) => sum + 1 + prefixesOf(range), 0),
  );
}

/** Returns the set with the addresses of these groups. All classes with the same groups share it. */
export type GroupSet = (family: Family, ids: readonly GroupId[]) => NftSet;

/** Caches group sets until a group changes. */
export class GroupSets {
  readonly #built = new Map<string, { groups: KnownGroups; set: NftSet }>();
  /** Size of the cache after the last `forget`. */
  #kept = 0;

  /**
   * Builds sets with the current members of the groups.
   * @param delta changes since the last compile; the work per set is proportional to its change
   * @param changes receives the changes of each set
   */
  of(groups: Groups, delta: Delta | 'all', changes: ElementChanges): GroupSet {
    return (family, ids) => {
      const name = `pods${familyDigit[family]}-${shortHash(ids.join(' '))}`;
      const current = ids.map((id) => groups.get(id));
      const known = this.#built.get(name);
      if (known && current.every((group, index) => group === known.groups[index])) return known.set;
      const touched = known && touchedAddresses(family, ids, known.groups, current, delta);
      const elements = touched
        ? changes.apply(known.set.elements, changeOf(known.set.elements, touched, current))
        : addressesOf(family, current);
      const set: NftSet = { name, key: [addressType[family]], interval: false, elements };
      this.#built.set(name, { groups: current, set });
      return set;
    };
  }

  /** Drops sets that no class uses, once the cache has doubled since the last time. */
  forget(used: () => Iterable<NftSet>): void {
    if (this.#built.size <= 2 * this.#kept) return;
    const names = new Set([...used()].map(({ name }) => name));
    for (const name of this.#built.keys()) if (!names.has(name)) this.#built.delete(name);
    this.#kept = this.#built.size;
  }
}

type KnownGroups = readonly (AddressGroup | undefined)[];

function addressesOf(family: Family, groups: KnownGroups): Set<Element> {
  const elements = new Set<Element>();
  for (const group of groups) {
    for (const member of group?.members.values() ?? []) {
      for (const address of member.addresses) if (familyOf(address) === family) elements.add(address);
    }
  }
  return elements;
}

/** Addresses that were added or removed, with the pods that had or have them; `undefined` if unknown. */
function touchedAddresses(
  family: Family,
  ids: readonly GroupId[],
  before: KnownGroups,
  after: KnownGroups,
  delta: Delta | 'all',
): ReadonlyMap<string, ReadonlySet<PodKey>> | undefined {
  if (delta === 'all') return undefined;
  const touched = new Map<string, Set<PodKey>>();
  for (const [index, id] of ids.entries()) {
    if (before[index] === after[index]) continue;
    const change = delta.groups.get(id);
    if (!change || change.members === 'all' || change.from !== before[index]) return undefined;
    for (const [pod, addresses] of change.members) {
      for (const address of addresses) {
        if (familyOf(address) !== family) continue;
        const pods = touched.get(address);
        if (pods) pods.add(pod);
        else touched.set(address, new Set([pod]));
      }
    }
  }
  return touched;
}

/** At most one pod owns an address, so only the changed pods in `touched` can have it now. */
function changeOf(
  before: Elements,
  touched: ReadonlyMap<string, ReadonlySet<PodKey>>,
  groups: KnownGroups,
): ElementChange {
  const added: Element[] = [];
  const removed: Element[] = [];
  for (const [address, pods] of touched) {
    const isThere = pods
      .values()
      .some((pod) => groups.some((group) => group?.members.get(pod)?.addresses.includes(address)));
    if (isThere === before.has(address)) continue;
    (isThere ? added : removed).push(address);
  }
  return { added, removed };
}

export function addressSet(name: string, family: Family, addresses: Iterable<string>): NftSet {
  return { name, key: [addressType[family]], interval: false, elements: new Set(addresses) };
}

/** A set of `source . destination` that holds each address paired with itself. */
export function pairSet(name: string, family: Family, addresses: Iterable<string>): NftSet {
  const elements = new Set<Element>();
  for (const address of addresses) elements.add(`${address} . ${address}`);
  return { name, key: [addressType[family], addressType[family]], interval: false, elements };
}

function rangeText({ family, first, last }: AddressRange): Element {
  const start = formatAddress(family, first);
  return first === last ? start : `${start}-${formatAddress(family, last)}`;
}
