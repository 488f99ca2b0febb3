import { familyOf, holdsAddress, parseAddress, type Family } from '../model/address.ts';
import type { GroupId } from '../model/policy.ts';
import type { AddressGroup, Delta, PodKey } from '../model/snapshot.ts';
import { changeBetween, ElementSet, withChange, type ElementChange } from '../nftables/element-set.ts';
import type { Element, Elements, NftSet } from '../nftables/ruleset.ts';
import type { Filter, GroupList } from './group-list.ts';
import { addressType } from './set-builder.ts';
import type { Groups, Outcome } from './walk.ts';

/** Returns the set with the addresses of these groups. All classes with the same groups share it. */
export type GroupSet = (family: Family, list: GroupList) => NftSet;

type KnownGroups = readonly (AddressGroup | undefined)[];

interface KnownSet {
  readonly family: Family;
  readonly list: GroupList;
  /** The groups that `set` was made from. */
  groups: KnownGroups;
  set: NftSet;
}

/** The sets of groups, from one compile to the next. */
export class GroupSets {
  readonly #byName = new Map<string, KnownSet>();
  readonly #byGroup = new Map<GroupId, Set<KnownSet>>();
  /** Number of sets after the last `forget`. */
  #kept = 0;

  /**
   * Brings the sets to the current members of the groups. The cost is that of the changed members.
   * @param delta changes since the last compile
   */
  of(groups: Groups, delta: Delta | 'all'): GroupSet {
    const stale =
      delta === 'all'
        ? this.#byName.values()
        : new Set(delta.groups.keys().flatMap((id) => this.#byGroup.get(id) ?? []));
    for (const known of stale) update(known, groups, delta);
    return (family, list) => {
      const name = list.names[family];
      return (this.#byName.get(name) ?? this.#add(name, family, list, groups)).set;
    };
  }

  /** Drops sets that no class uses, once their number has doubled since the last time. */
  forget(used: () => Iterable<NftSet>): void {
    if (this.#byName.size <= 2 * this.#kept) return;
    const names = new Set([...used()].map(({ name }) => name));
    for (const [name, known] of this.#byName) {
      if (names.has(name)) continue;
      this.#byName.delete(name);
      for (const id of known.list.ids) {
        const sets = this.#byGroup.get(id)!;
        if (sets.delete(known) && sets.size === 0) this.#byGroup.delete(id);
      }
    }
    this.#kept = this.#byName.size;
  }

  #add(name: string, family: Family, list: GroupList, groups: Groups): KnownSet {
    const { ids } = list;
    const current = ids.map((id) => groups.get(id));
    const elements = new ElementSet(addressesOf(family, list, groups));
    const set: NftSet = { name, key: [addressType[family]], interval: false, elements };
    const known: KnownSet = { family, list, groups: current, set };
    this.#byName.set(name, known);
    for (const id of ids) {
      const sets = this.#byGroup.get(id);
      if (sets) sets.add(known);
      else this.#byGroup.set(id, new Set([known]));
    }
    return known;
  }
}

function update(known: KnownSet, groups: Groups, delta: Delta | 'all'): void {
  const { family, list, set } = known;
  const { ids } = list;
  const current = ids.map((id) => groups.get(id));
  if (current.every((group, index) => group === known.groups[index])) return;
  const touched = touchedAddresses(family, ids, known.groups, current, delta);
  const change = touched
    ? changeOf(set.elements, touched, list, groups)
    : changeBetween(set.elements, addressesOf(family, list, groups));
  const elements = withChange(set.elements, change);
  if (elements !== set.elements) known.set = { ...set, elements };
  known.groups = current;
}

function addressesOf(family: Family, { ids, filter }: GroupList, groups: Groups): Set<Element> {
  const elements = new Set<Element>();
  if (filter) {
    const { walk, holds } = filter;
    for (const [address, outcome] of walk.outcomes(walk.candidates[holds], groups)) {
      if (familyOf(address) === family && isHeld(filter, address, outcome)) elements.add(address);
    }
    return elements;
  }
  for (const id of ids) {
    for (const member of groups.get(id)?.members.values() ?? []) {
      for (const address of member.addresses) if (familyOf(address) === family) elements.add(address);
    }
  }
  return elements;
}

/** Whether the set holds an address with this outcome: blocks alone decide about the others. */
function isHeld({ walk, holds }: Filter, address: string, outcome: Outcome): boolean {
  if (outcome !== holds) return false;
  const parsed = parseAddress(address)!;
  return holdsAddress(walk.rangesOf(parsed.family).allow, parsed) === (holds === 'deny');
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
  { ids, filter }: GroupList,
  groups: Groups,
): ElementChange {
  const added: Element[] = [];
  const removed: Element[] = [];
  for (const [address, pods] of touched) {
    const has = (pod: PodKey): boolean =>
      ids.some((id) => groups.get(id)?.members.get(pod)?.addresses.includes(address));
    const isThere = pods
      .values()
      .some((pod) => has(pod) && (!filter || isHeld(filter, address, filter.walk.outcomeOf(pod, address, groups))));
    if (isThere === before.has(address)) continue;
    (isThere ? added : removed).push(address);
  }
  return { added, removed };
}
