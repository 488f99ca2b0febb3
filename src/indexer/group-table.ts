import type { GroupId, Selection } from '../model/policy.ts';
import { sizeOfAll } from './table-size.ts';
import type { AddressGroup, Member, PodKey } from '../model/snapshot.ts';

interface Entry {
  readonly selection: Selection;
  users: number;
  readonly members: Map<PodKey, Member>;
}

/** The groups that some policy in force names, with their members. */
export class GroupTable {
  readonly #entries = new Map<GroupId, Entry>();
  readonly #groupsOf = new Map<PodKey, Set<GroupId>>();
  readonly #current = new Map<GroupId, AddressGroup>();

  get current(): ReadonlyMap<GroupId, AddressGroup> {
    return this.#current;
  }

  /** Says whether the group is new, and so must be filled. */
  retain(id: GroupId, selection: Selection): boolean {
    const entry = this.#entries.get(id);
    if (entry) entry.users++;
    else this.#entries.set(id, { selection, users: 1, members: new Map() });
    if (!entry) this.#touch(id);
    return !entry;
  }

  /** Says whether that was the last user, and so the group is gone. */
  release(id: GroupId): boolean {
    const entry = this.#entries.get(id);
    if (!entry || --entry.users > 0) return false;
    for (const key of entry.members.keys()) this.#leave(id, key);
    this.#entries.delete(id);
    this.#current.delete(id);
    return true;
  }

  groupsOf(key: PodKey): ReadonlySet<GroupId> {
    return this.#groupsOf.get(key) ?? new Set();
  }

  setMember(id: GroupId, key: PodKey, member: Member): void {
    const members = this.#entries.get(id)!.members;
    const known = members.get(key);
    if (known && sameMember(known, member)) return;
    members.set(key, member);
    const groups = this.#groupsOf.get(key);
    if (groups) groups.add(id);
    else this.#groupsOf.set(key, new Set([id]));
    this.#touch(id);
  }

  removeMember(id: GroupId, key: PodKey): void {
    if (!this.#entries.get(id)?.members.delete(key)) return;
    this.#leave(id, key);
    this.#touch(id);
  }

  /** How many entries it holds: none once no policy is in force. */
  get size(): number {
    return this.#entries.size + this.#current.size + sizeOfAll(this.#groupsOf.values());
  }

  #leave(id: GroupId, key: PodKey): void {
    const groups = this.#groupsOf.get(key);
    if (groups?.delete(id) && groups.size === 0) this.#groupsOf.delete(key);
  }

  #touch(id: GroupId): void {
    this.#current.set(id, { id, members: this.#entries.get(id)!.members });
  }
}

function sameMember(a: Member, b: Member): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
