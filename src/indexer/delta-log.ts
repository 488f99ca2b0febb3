import type { GroupId } from '../model/policy.ts';
import type { AddressGroup, Delta, PodKey } from '../model/snapshot.ts';

/** If more members of a group have changed, the Delta says `all`, and compile reads the group anew. This bounds the memory of a Delta that waits. */
const maxMembers = 64;

/** Collects the changes of the Snapshot between two calls of `drain`. */
export class DeltaLog {
  #groups = new Map<GroupId, { readonly from: AddressGroup | undefined; members: Map<PodKey, Set<string>> | 'all' }>();
  #localChanged = false;
  #isDrained = false;
  /** Grows with each change. */
  revision = 0;

  /** Notes a change of something other than group members. */
  readonly noteLocal = (): void => {
    this.revision++;
    this.#localChanged = true;
  };

  /** @param from the group as the last Snapshot shows it */
  noteGroup(id: GroupId, from: AddressGroup | undefined): void {
    this.revision++;
    this.#ofGroup(id, from).members = 'all';
  }

  noteMember(id: GroupId, from: AddressGroup | undefined, pod: PodKey, addresses: readonly string[]): void {
    this.revision++;
    const group = this.#ofGroup(id, from);
    if (group.members === 'all') return;
    const known = group.members.get(pod);
    if (known) for (const address of addresses) known.add(address);
    else group.members.set(pod, new Set(addresses));
    if (group.members.size > maxMembers) group.members = 'all';
  }

  /** The changes since the last `drain`; `all` before the first one. */
  get delta(): Delta | 'all' {
    return this.#isDrained ? { localChanged: this.#localChanged, groups: this.#groups } : 'all';
  }

  drain(): void {
    this.#groups = new Map();
    this.#localChanged = false;
    this.#isDrained = true;
  }

  #ofGroup(id: GroupId, from: AddressGroup | undefined) {
    let group = this.#groups.get(id);
    // Before the first drain, every group is new.
    if (!group) this.#groups.set(id, (group = { from, members: this.#isDrained ? new Map() : 'all' }));
    return group;
  }
}

/** A Map that calls `note` at each change. */
export class ObservedMap<K, V> extends Map<K, V> {
  readonly #note: () => void;

  constructor(note: () => void) {
    super();
    this.#note = note;
  }

  override set(key: K, value: V): this {
    if (this.get(key) !== value || !this.has(key)) this.#note();
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    const isGone = super.delete(key);
    if (isGone) this.#note();
    return isGone;
  }
}
