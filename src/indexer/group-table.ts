import type { NamedPort } from '../model/cluster.ts';
import type { GroupId, Selection } from '../model/policy.ts';
import { ChangeJournal } from './change-journal.ts';
import { RevisedMap } from './revised-map.ts';
import { sizeOfAll } from './table-size.ts';
import type { AddressGroup, GroupChange, History, Member, PodKey } from '../model/snapshot.ts';

interface Entry {
  readonly selection: Selection;
  users: number;
  readonly members: Map<PodKey, Member>;
  readonly journal: ChangeJournal<GroupChange>;
  /** How often the groups had been read before it was there: as long as that is so, there is nobody to tell of changes. */
  readonly born: number;
}

/** One pod in all its groups: they share the member. */
interface Membership {
  member: Member;
  readonly groups: Set<GroupId>;
}

const noGroups: ReadonlySet<GroupId> = new Set();

/** The groups that some policy in force names, with their members. */
export class GroupTable {
  readonly #entries = new Map<GroupId, Entry>();
  readonly #memberships = new Map<PodKey, Membership>();
  readonly #current = new RevisedMap<GroupId, AddressGroup>();
  /** Those that are others than `current` says: while a cluster is read, each changes many times before anybody looks. */
  readonly #stale = new Set<GroupId>();
  readonly #journal = new ChangeJournal<GroupId>();
  #reads = 0;
  /** Pods times groups that they are in. */
  memberships = 0;

  get current(): ReadonlyMap<GroupId, AddressGroup> {
    this.#publishStale();
    this.#reads++;
    return this.#current;
  }

  get revision(): number {
    this.#publishStale();
    return this.#current.revision;
  }

  get history(): History<GroupId> {
    this.#publishStale();
    return this.#journal.history;
  }

  /** Says whether the group is new, and so must be filled. */
  retain(id: GroupId, selection: Selection): boolean {
    const entry = this.#entries.get(id);
    if (entry) {
      entry.users++;
      return false;
    }
    const journal = new ChangeJournal<GroupChange>();
    this.#entries.set(id, { selection, users: 1, members: new Map(), journal, born: this.#reads });
    this.#publish(id);
    return true;
  }

  /** Says whether that was the last user, and so the group is gone. */
  release(id: GroupId): boolean {
    const entry = this.#entries.get(id);
    if (!entry || --entry.users > 0) return false;
    for (const key of entry.members.keys()) this.#leave(id, key);
    this.#entries.delete(id);
    this.#current.delete(id);
    this.#journal.add(id);
    this.#stale.delete(id);
    return true;
  }

  groupsOf(key: PodKey): ReadonlySet<GroupId> {
    return this.#memberships.get(key)?.groups ?? noGroups;
  }

  setMember(id: GroupId, key: PodKey, told: Member): void {
    const members = this.#entries.get(id)!.members;
    const known = members.get(key);
    const membership = this.#membershipOf(key, told);
    const { member } = membership;
    if (known === member || (known && sameMember(known, member))) return;
    members.set(key, member);
    membership.groups.add(id);
    if (!known) this.memberships++;
    this.#touch(id, key, known ? [...known.addresses, ...member.addresses] : member.addresses);
  }

  removeMember(id: GroupId, key: PodKey): void {
    const members = this.#entries.get(id)?.members;
    const known = members?.get(key);
    if (!known) return;
    members!.delete(key);
    this.#leave(id, key);
    this.#touch(id, key, known.addresses);
  }

  /** How many entries it holds: none once no policy is in force. */
  get size(): number {
    return this.#entries.size + this.#current.size + sizeOfAll(this.#memberships.values().map(({ groups }) => groups));
  }

  #membershipOf(key: PodKey, member: Member): Membership {
    let membership = this.#memberships.get(key);
    if (!membership) this.#memberships.set(key, (membership = { member, groups: new Set() }));
    else if (!sameMember(membership.member, member)) membership.member = member;
    return membership;
  }

  #leave(id: GroupId, key: PodKey): void {
    const groups = this.#memberships.get(key)?.groups;
    if (!groups?.delete(id)) return;
    this.memberships--;
    if (groups.size === 0) this.#memberships.delete(key);
  }

  #touch(id: GroupId, pod: PodKey, addresses: readonly string[]): void {
    const { journal, born } = this.#entries.get(id)!;
    this.#stale.add(id);
    if (born === this.#reads) journal.skip();
    else journal.add({ pod, addresses });
  }

  #publishStale(): void {
    for (const id of this.#stale) this.#publish(id);
    this.#stale.clear();
  }

  #publish(id: GroupId): void {
    const { members, journal } = this.#entries.get(id)!;
    this.#current.set(id, { id, members, history: journal.history });
    this.#journal.add(id);
  }
}

function sameMember(a: Member, b: Member): boolean {
  return a === b || (isSameList(a.addresses, b.addresses) && isSameList(a.ports, b.ports, isSamePort));
}

function isSamePort(a: NamedPort, b: NamedPort): boolean {
  return a.name === b.name && a.protocol === b.protocol && a.port === b.port;
}

function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean = Object.is): boolean {
  return a === b || (a.length === b.length && a.every((each, i) => isSame(each, b[i]!)));
}
