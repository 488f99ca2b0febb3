import type { Labels, Node, Pod } from '../model/cluster.ts';
import type { GroupId, GroupSelection, Policy } from '../model/policy.ts';
import type { AddressGroup, Member, PodKey } from '../model/snapshot.ts';
import type { DeltaLog } from './delta-log.ts';
import type { NamespaceIndex } from './namespace-index.ts';
import { NodeGroups } from './node-groups.ts';
import type { Ownership } from '../ownership/ownership.ts';
import { isSamePort } from '../model/same-pod.ts';
import type { PodIndex } from './pod-index.ts';
import { SelectionIndex } from './selection-index.ts';
import { isSameList } from '../lib/is-same-list.ts';
import { sizeOfAll } from '../lib/table-size.ts';

interface Entry {
  users: number;
  readonly members: Map<PodKey, Member>;
}

/** The groups of one pod; they share one Member object. */
interface Membership {
  member: Member;
  readonly groups: Set<GroupId>;
}

const noGroups: ReadonlySet<GroupId> = new Set();

/** The groups that policies in force name, with their members. */
export class GroupTable {
  readonly #log: DeltaLog;
  readonly #pods: PodIndex;
  readonly #namespaces: NamespaceIndex;
  readonly #ownership: Ownership;
  readonly #selections: SelectionIndex;
  readonly #nodeGroups: NodeGroups;
  /** The group of unplaced addresses, if a policy in force names it. */
  #unplaced: GroupId | undefined;
  readonly #entries = new Map<GroupId, Entry>();
  readonly #memberships = new Map<PodKey, Membership>();
  readonly #current = new Map<GroupId, AddressGroup>();
  /** Groups whose object in `#current` is outdated. A group changes many times per Snapshot while the agent reads the first lists. */
  readonly #stale = new Set<GroupId>();
  /** The sum of all groups' sizes. */
  memberships = 0;

  /** @param nodes a live view of all nodes */
  constructor(
    log: DeltaLog,
    pods: PodIndex,
    namespaces: NamespaceIndex,
    ownership: Ownership,
    nodes: ReadonlyMap<string, Node>,
  ) {
    this.#log = log;
    this.#pods = pods;
    this.#namespaces = namespaces;
    this.#ownership = ownership;
    this.#selections = new SelectionIndex(namespaces);
    this.#nodeGroups = new NodeGroups(nodes);
  }

  get current(): ReadonlyMap<GroupId, AddressGroup> {
    for (const id of this.#stale) this.#current.set(id, { id, members: this.#entries.get(id)!.members });
    this.#stale.clear();
    return this.#current;
  }

  /** Selections visited so far. Tests count visits instead of time. */
  get visits(): number {
    return this.#selections.visits;
  }

  /** Replaces a policy's groups. Groups that both versions name stay as they are. */
  replace(before: Policy['groups'] | undefined, after: Policy['groups'] | undefined): void {
    for (const [id, selection] of after ?? []) this.#retain(id, selection);
    for (const id of before?.keys() ?? []) this.#release(id);
  }

  /** Updates the groups that select the pod, with the addresses that it owns now. */
  refreshPod(key: PodKey, pod: Pod): void {
    const member = this.#memberOf(key, pod);
    const groups = this.#selections.matching(pod);
    if (this.#unplaced !== undefined && !this.#namespaces.get(pod.namespace)) groups.add(this.#unplaced);
    for (const id of this.#groupsOf(key)) if (!groups.has(id)) this.#removeMember(id, key);
    for (const id of groups) this.#setMember(id, key, member);
  }

  /** Whether the pod's new labels may change its groups. */
  looksAtChange(before: Labels, after: Labels): boolean {
    return this.#selections.looksAtChange(before, after);
  }

  forgetPod(key: PodKey): void {
    for (const id of this.#groupsOf(key)) this.#removeMember(id, key);
  }

  /** Updates the groups that have addresses without pods. To be called when the claims to the address may have changed. */
  refreshAddress(address: string): void {
    if (this.#ownership.isClaimedByNode(address)) this.#refreshNodeMember(address);
    if (this.#unplaced === undefined) return;
    if (this.#ownership.isContested(address)) this.#setMember(this.#unplaced, unplacedKey(address), memberOf(address));
    else this.#removeMember(this.#unplaced, unplacedKey(address));
  }

  /**
   * Updates the groups of nodes. To be called when a node has changed, and the claims to its addresses with it; `undefined` if it was or is not
   * there.
   */
  refreshNode(before: Node | undefined, after: Node | undefined): void {
    this.#nodeGroups.replace(before, after);
    for (const address of new Set([...(before?.addresses ?? []), ...(after?.addresses ?? [])]))
      this.#refreshNodeMember(address);
  }

  /** An address of a sandbox on this node stays the pod's, even if a Node object claims it (S1.12). So an address has one owner. */
  #refreshNodeMember(address: string): void {
    const isOfNode = this.#ownership.isOfNode(address);
    for (const [group, has] of this.#nodeGroups.groupsOf(address)) {
      if (has && isOfNode) this.#setMember(group, nodeMemberKey(address), memberOf(address));
      else this.#removeMember(group, nodeMemberKey(address));
    }
  }

  #retain(id: GroupId, selection: GroupSelection): void {
    const entry = this.#entries.get(id);
    if (entry) {
      entry.users++;
      return;
    }
    this.#entries.set(id, { users: 1, members: new Map() });
    this.#log.noteGroup(id, this.#current.get(id));
    this.#stale.add(id);
    if ('nodes' in selection) {
      for (const address of this.#nodeGroups.add(id, selection.nodes)) {
        if (!this.#ownership.isOfNode(address)) continue;
        this.#setMember(id, nodeMemberKey(address), memberOf(address));
      }
      return;
    }
    if ('unplaced' in selection) {
      this.#unplaced = id;
      for (const address of this.#ownership.contested()) this.#setMember(id, unplacedKey(address), memberOf(address));
      for (const [key, pod] of this.#pods.inUnknownNamespaces(this.#namespaces))
        this.#setMember(id, key, this.#memberOf(key, pod));
      return;
    }
    this.#selections.add(id, selection);
    for (const [key, pod] of this.#pods.find(selection, this.#namespaces)) {
      this.#setMember(id, key, this.#memberOf(key, pod));
    }
  }

  #memberOf(key: PodKey, pod: Pod): Member {
    return { addresses: this.#ownership.owned(key, pod), ports: pod.ports };
  }

  #release(id: GroupId): void {
    const entry = this.#entries.get(id);
    if (!entry || --entry.users > 0) return;
    for (const key of entry.members.keys()) this.#leave(id, key);
    this.#log.noteGroup(id, this.#current.get(id));
    this.#entries.delete(id);
    this.#current.delete(id);
    this.#stale.delete(id);
    this.#selections.remove(id);
    this.#nodeGroups.remove(id);
    if (id === this.#unplaced) this.#unplaced = undefined;
  }

  #groupsOf(key: PodKey): ReadonlySet<GroupId> {
    return this.#memberships.get(key)?.groups ?? noGroups;
  }

  #setMember(id: GroupId, key: PodKey, current: Member): void {
    const members = this.#entries.get(id)!.members;
    const known = members.get(key);
    const membership = this.#membershipOf(key, current);
    const { member } = membership;
    if (known === member || (known && sameMember(known, member))) return;
    members.set(key, member);
    membership.groups.add(id);
    if (!known) this.memberships++;
    this.#touch(id, key, known ? [...known.addresses, ...member.addresses] : member.addresses);
  }

  #removeMember(id: GroupId, key: PodKey): void {
    const members = this.#entries.get(id)?.members;
    const known = members?.get(key);
    if (!known) return;
    members!.delete(key);
    this.#leave(id, key);
    this.#touch(id, key, known.addresses);
  }

  /** Number of entries; 0 if no policy is in force. */
  get size(): number {
    const own = this.#entries.size + this.current.size + this.#selections.size + this.#nodeGroups.size;
    return own + sizeOfAll(this.#memberships.values().map(({ groups }) => groups));
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
    this.#log.noteMember(id, this.#current.get(id), pod, addresses);
    this.#stale.add(id);
  }
}

/** Unlike a pod's, it has no namespace. */
function nodeMemberKey(address: string): PodKey {
  return `/${address}/node`;
}

function unplacedKey(address: string): PodKey {
  return `/${address}/unplaced`;
}

function memberOf(address: string): Member {
  return { addresses: [address], ports: [] };
}

function sameMember(a: Member, b: Member): boolean {
  return a === b || (isSameList(a.addresses, b.addresses) && isSameList(a.ports, b.ports, isSamePort));
}
