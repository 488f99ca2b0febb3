import { sorted } from '../lib/sort.ts';
import {
  resourceNames,
  type Link,
  type ModelObject,
  type Node,
  type NodeFact,
  type ObjectKey,
  type Pod,
  type ResourceEvent,
  type ResourceName,
  type Sandbox,
} from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { GateClaims } from '../model/node-state.ts';
import type { Owners } from '../model/owner.ts';
import type { Direction, Policy, PolicyId } from '../model/policy.ts';
import type { Delta, LocalPod, Member, PodKey, Snapshot } from '../model/snapshot.ts';
import { addressIssues } from './address-issues.ts';
import { Admission, defaultFillBudgets, withoutAllows, type FillBudgets } from './admission.ts';
import { CountedSet } from './counted-set.ts';
import { DeltaLog, NotingMap } from './delta-log.ts';
import { bothWays, DeniedAddresses, neitherWay } from './denied-addresses.ts';
import { GatedRanges, type AddressUse, type GateOptions } from './gated-ranges.ts';
import { GroupTable } from './group-table.ts';
import { NamespaceIndex } from './namespace-index.ts';
import { NodeTable } from './node-table.ts';
import { findOwners } from './owners.ts';
import { isSameState, Ownership } from './ownership.ts';
import { PodIndex } from './pod-index.ts';
import { Residents, type Resident, type ResidentChanges } from './residents.ts';
import { SelectionIndex } from './selection-index.ts';
import { sizeOfAll } from './table-size.ts';

const noPolicies: ReadonlySet<PolicyId> = new Set();

/**
 * Holds the cluster and the node as told, and folds events and facts into what the node must know. The Snapshot depends only on what
 * is there now, never on the order in which it came. One event costs work in proportion to the groups and policies that it touches.
 */
export class Indexer {
  readonly #nodeName: string;
  readonly #synced = new Set<ResourceName>();
  readonly #log = new DeltaLog();

  readonly #residents: Residents;
  readonly #gatedRanges: GatedRanges;
  readonly #nodes = new Map<ObjectKey, Node>();
  readonly #nodeTable: NodeTable;
  readonly #policies = new Map<PolicyId, Policy>();

  readonly #namespaceIndex = new NamespaceIndex();
  readonly #ownership = new Ownership((pod) => this.#isLocal(pod));
  readonly #podIndex = new PodIndex();

  /** The pods whose policies matter here: local ones, and others that claim a local pod's address (S1.10). */
  readonly #subjectIndex = new PodIndex();
  readonly #subjects = new SelectionIndex(this.#namespaceIndex);
  readonly #policiesOf = new Map<PodKey, Set<PolicyId>>();
  /** Those of some pod in `#policiesOf`. */
  readonly #selecting = new CountedSet<PolicyId>();

  readonly #activePolicies = new NotingMap<PolicyId, Policy>(this.#log.noteLocal);
  readonly #peers = new SelectionIndex(this.#namespaceIndex);
  readonly #groups = new GroupTable(this.#log);
  readonly #admission: Admission;
  /** How many memberships there were when it was decided last whose groups are filled. */
  #decidedAt = 0;
  readonly #mostGrowth: number;

  readonly #localPods = new NotingMap<PodKey, LocalPod>(this.#log.noteLocal);
  readonly #denied = new DeniedAddresses(this.#log.noteLocal);
  /** By the claims of other nodes as they were when they were judged last. */
  #passing: ReadonlySet<string> = new Set();
  #judgedClaims: readonly GateClaims[] = [];
  /** Addresses whose claimants, or their policies, an event has touched. */
  readonly #touchedClaims = new Set<string>();
  /** Whose policies have changed: many may, before anybody looks. */
  readonly #staleLocalPods = new Map<PodKey, Pod>();
  #lastList: { readonly told: readonly PolicyId[]; readonly ascending: readonly PolicyId[] } = {
    told: [],
    ascending: [],
  };
  /** Local pods with an address that could not be honoured. */
  readonly #troubled = new Map<PodKey, Pod>();

  constructor(
    nodeName: string,
    gate: GateOptions = { gate: true, podCidrs: [] },
    fillBudgets: FillBudgets = defaultFillBudgets,
  ) {
    this.#admission = new Admission((each) => this.#podIndex.estimate(each, this.#namespaceIndex), fillBudgets);
    this.#mostGrowth = fillBudgets.namespace / 4;
    this.#nodeName = nodeName;
    this.#residents = new Residents(nodeName);
    this.#nodeTable = new NodeTable(nodeName, this.#log.noteLocal);
    this.#gatedRanges = new GatedRanges(nodeName, gate, (name) => this.#nodes.has(name), this.#log.noteLocal);
  }

  receive(event: ResourceEvent | NodeFact): void {
    this.#take(event);
    for (const address of this.#touchedClaims) this.#refreshDenied(address);
    this.#touchedClaims.clear();
  }

  snapshot(): Snapshot {
    if (!this.#admission.isSettled) this.#settleAdmission();
    for (const [key, pod] of this.#staleLocalPods)
      this.#refreshLocalPod(key, pod, this.#policiesOf.get(key) ?? noPolicies);
    this.#staleLocalPods.clear();
    this.#settlePassing();
    return {
      revision: this.#log.revision,
      inSync: this.inSync,
      localPods: this.#localPods,
      policies: this.#activePolicies,
      leftOut: this.#admission.leftOut,
      groups: this.#groups.current,
      denied: this.#denied.directions,
      deniedLinks: this.#denied.links,
      gatedRanges: this.#gatedRanges.current,
      nodeAddresses: this.#nodeTable.current,
    };
  }

  /**
   * Hands out the Snapshot, with what has changed in it since `take` last returned. Where `take` throws, that goes on being collected.
   * Before the first time, all has changed.
   */
  drain<T>(take: (snapshot: Snapshot, delta: Delta | 'all') => T): T {
    const taken = take(this.snapshot(), this.#log.delta);
    this.#log.drain();
    return taken;
  }

  /** As `drain`, and goes on collecting. */
  peek<T>(look: (snapshot: Snapshot, delta: Delta | 'all') => T): T {
    return look(this.snapshot(), this.#log.delta);
  }

  /** All first lists are complete. Costs nothing, unlike a snapshot. */
  get inSync(): boolean {
    return resourceNames.every((name) => this.#synced.has(name));
  }

  get knowsNode(): boolean {
    return this.#nodes.has(this.#nodeName);
  }

  /** Live sandboxes whose pod is not known. */
  get unknownSandboxes(): readonly Sandbox[] {
    return this.#residents.unknown;
  }

  /** Local pods that have an address of which no link is known. */
  get unlinked(): readonly LocalPod[] {
    return this.#localPods
      .values()
      .filter(({ addresses, links }) => links.size < addresses.length)
      .toArray();
  }

  /** Pod ranges of the own Node that are not gated: a sandbox of this node has an address outside of them. */
  get disputedRanges(): readonly string[] {
    return this.#gatedRanges.disputed;
  }

  /** Which nodes' pods claim addresses of the gated ranges. */
  get gateClaims(): readonly GateClaims[] {
    return this.#gatedRanges.claims;
  }

  /** Some sandbox is, or was, of a known pod: the runtime keeps a record of all of them. */
  get kept(): boolean {
    return this.#residents.kept;
  }

  /** Addresses of local pods that could not be honoured, by pod. */
  get issues(): ReadonlyMap<PodKey, readonly Issue[]> {
    return new Map(this.#troubled.entries().map(([key, pod]) => [key, this.#issuesOf(key, pod)]));
  }

  /** Who has the address, as this node sees it. */
  ownersOf(address: string): Owners {
    const [ownership, namespaces] = [this.#ownership, this.#namespaceIndex];
    return findOwners(address, { ownership, namespaces, nodes: this.#nodes, policiesOf: this.#policiesOf });
  }

  /** How many pods and selections have been looked at: what tests count instead of time. */
  get visits(): { readonly pods: number; readonly selections: number } {
    return {
      pods: this.#podIndex.visits + this.#subjectIndex.visits + this.#residents.visits,
      selections: this.#subjects.visits + this.#peers.visits,
    };
  }

  /** How many entries its tables hold: like the Snapshot, it depends on the objects alone, so nothing leaks. */
  get size(): number {
    this.#settlePassing();
    const indexes = [
      this.#namespaceIndex,
      this.#ownership,
      this.#podIndex,
      this.#subjectIndex,
      this.#subjects,
      this.#peers,
    ];
    const maps = [this.#nodes, this.#policies, this.#activePolicies, this.#localPods, this.#denied, this.#nodeTable];
    const tables = [
      ...indexes,
      ...maps,
      this.#residents,
      this.#groups,
      this.#troubled,
      this.#admission,
      this.#selecting,
    ];
    const own = tables.reduce((sum, table) => sum + table.size, 0);
    return own + sizeOfAll(this.#policiesOf.values());
  }

  #take(event: ResourceEvent | NodeFact): void {
    switch (event.op) {
      case 'synced':
        return this.#sync(event.resource);
      case 'upsert':
        return this.#replace(event.resource, event.key, event.value);
      case 'remove':
        return this.#replace(event.resource, event.key, undefined);
      case 'sandbox':
        return this.#settle(this.#residents.setSandbox(event.id, event.value));
      case 'fetched':
        return this.#settle(this.#residents.setFetched(event.key, event.value));
      case 'kept':
        return this.#settle(this.#residents.setKept());
      case 'record':
        return this.#settle(this.#residents.setReadable(event.readable));
      case 'links':
        return this.#settle(this.#residents.setLinks(event.links));
      case 'ranges':
        return this.#gatedRanges.setLearned(event.cidrs);
    }
  }

  #sync(resource: ResourceName): void {
    if (this.#synced.has(resource)) return;
    this.#synced.add(resource);
    this.#log.noteLocal();
  }

  #replace(resource: ResourceName, key: ObjectKey, value: ModelObject | undefined): void {
    switch (resource) {
      case 'pods':
        return this.#settle(this.#residents.setWatched(key, value as Pod | undefined));
      case 'namespaces':
        return this.#replaceNamespace(key, value);
      case 'nodes':
        return this.#replaceNode(key, value as Node | undefined);
      case 'networkpolicies':
        return this.#replacePolicy(key, value as Policy | undefined);
    }
  }

  #settle({ changes, addresses }: ResidentChanges): void {
    const refreshRivals = this.#watchClaims(addresses);
    for (const { key, before, after } of changes) {
      if (!before) continue;
      this.#countUses(before, -1);
      this.#podIndex.remove(key, before.pod);
      this.#ownership.remove(key, before.pod);
      if (after) this.#subjectIndex.remove(key, before.pod);
      else this.#forgetPod(key, before.pod);
    }
    for (const { key, after } of changes) {
      if (!after) continue;
      this.#countUses(after, 1);
      this.#podIndex.add(key, after.pod);
      this.#ownership.add(key, after.pod);
    }
    for (const address of addresses) this.#ownership.tell(address, this.#residents.wordOn(address));
    const refreshed = new Set<PodKey>();
    for (const { key, after } of changes) {
      if (!after) continue;
      this.#refreshPod(key, after.pod);
      refreshed.add(key);
    }
    refreshRivals(refreshed);
  }

  #countUses(resident: Resident, change: 1 | -1): void {
    for (const use of usesOf(resident)) this.#gatedRanges.count(use, change);
  }

  *#allUses(): Generator<AddressUse> {
    for (const resident of this.#residents.all()) yield* usesOf(resident);
  }

  /** A claim can touch thousands of addresses, where a node is one too many: they are looked at when all of an event's changes are known. */
  #settlePassing(): void {
    const claims = this.#gatedRanges.claims;
    if (claims === this.#judgedClaims) return;
    const before = this.#passing;
    this.#judgedClaims = claims;
    this.#passing = new Set(this.#gatedRanges.passing());
    for (const address of before.symmetricDifference(this.#passing)) this.#refreshDenied(address);
  }

  /** Returns what brings those up to date whose claims to the addresses are worth something else by then, but for those that are. */
  #watchClaims(addresses: Iterable<string>): (refreshed?: ReadonlySet<PodKey>) => void {
    const states = Array.from(addresses, (address) => ({ address, state: this.#ownership.stateOf(address) }));
    return (refreshed) => {
      for (const { address, state } of states) {
        this.#touchedClaims.add(address);
        if (isSameState(this.#ownership.stateOf(address), state)) continue;
        for (const [key, pod] of this.#ownership.claimantsOf(address)) {
          if (!refreshed?.has(key)) this.#refreshPod(key, pod);
        }
      }
    };
  }

  #replaceNamespace(name: string, value: ModelObject | undefined): void {
    if (!this.#namespaceIndex.set(name, value?.kind === 'Namespace' ? value : undefined)) return;
    for (const [key, pod] of this.#podIndex.inNamespace(name)) this.#refreshPod(key, pod);
  }

  #replaceNode(name: string, value: Node | undefined): void {
    this.#nodeTable.replace(name, this.#nodes.get(name), value);
    const before = this.#nodes.get(name)?.addresses ?? [];
    const after = value?.addresses ?? [];
    if (value) this.#nodes.set(name, value);
    else this.#nodes.delete(name);
    this.#gatedRanges.nodesChanged();
    if (name === this.#nodeName) this.#gatedRanges.setOfNode(value?.podCidrs ?? [], this.#allUses());
    const refreshClaimants = this.#watchClaims(new Set([...before, ...after]));
    for (const address of after) this.#ownership.addNodeAddress(address);
    for (const address of before) this.#ownership.removeNodeAddress(address);
    refreshClaimants();
  }

  #replacePolicy(id: PolicyId, policy: Policy | undefined): void {
    const before = this.#policies.get(id);
    const selected = (each: Policy | undefined): Map<PodKey, Pod> =>
      new Map(each && this.#subjectIndex.find(each.appliesTo, this.#namespaceIndex));
    const had = selected(before);
    if (before) {
      this.#policies.delete(id);
      this.#subjects.remove(id);
    }
    if (policy) {
      this.#policies.set(id, policy);
      this.#subjects.add(id, policy.appliesTo);
    }
    const has = selected(policy);
    // The groups of the new version are retained before those of the old are released, so that shared ones stay filled.
    if (this.#selecting.has(id)) this.#activate(id, policy);
    // Of these pods nothing but this policy has changed: a namespace may have thousands.
    for (const key of has.keys()) this.#addPolicy(key, id);
    for (const key of had.keys()) if (!has.has(key)) this.#removePolicy(key, id);
    for (const pods of [had, has]) {
      for (const [key, pod] of pods) {
        if (this.#isLocal(pod)) this.#staleLocalPods.set(key, pod);
        // To what nobody contests, policies do nothing.
        for (const address of pod.addresses) {
          if (this.#ownership.isContestedHere(address)) this.#touchedClaims.add(address);
        }
      }
    }
  }

  /** Brings all that is derived from one pod up to date. */
  #refreshPod(key: PodKey, pod: Pod): void {
    if (this.#groups.memberships > this.#decidedAt + this.#mostGrowth) {
      this.#admission.doubt();
      this.#settleAdmission();
    }
    const member: Member = { addresses: this.#ownership.owned(key, pod), ports: pod.ports };
    const groups = this.#peers.matching(pod);
    for (const id of this.#groups.groupsOf(key)) if (!groups.has(id)) this.#groups.removeMember(id, key);
    for (const id of groups) this.#groups.setMember(id, key, member);
    this.#refreshSubject(key, pod);
  }

  #refreshSubject(key: PodKey, pod: Pod): void {
    const contests = pod.addresses.some(
      (address) => this.#ownership.judge(key, address) === 'contested' && this.#ownership.isContestedHere(address),
    );
    const policies = this.#isLocal(pod) || contests ? this.#subjects.matching(pod) : undefined;
    if (policies) this.#subjectIndex.add(key, pod);
    else this.#subjectIndex.remove(key, pod);
    this.#setPolicies(key, policies ?? new Set());
    if (this.#isLocal(pod)) this.#refreshLocalPod(key, pod, policies!);
    else this.#forgetLocalPod(key);
    for (const address of pod.addresses) this.#touchedClaims.add(address);
  }

  #isLocal(pod: Pod): boolean {
    return pod.nodeName === this.#nodeName;
  }

  #refreshLocalPod(key: PodKey, pod: Pod, policies: ReadonlySet<PolicyId>): void {
    this.#staleLocalPods.delete(key);
    const addresses = this.#ownership.owned(key, pod);
    const links = new Map<string, Link>();
    for (const address of addresses) {
      const link = this.#ownership.linkOf(address);
      if (link) links.set(address, link);
    }
    const { ports, mirrorOf } = pod;
    const mirror = mirrorOf === undefined ? {} : { mirrorOf };
    const localPod: LocalPod = { key, ...mirror, addresses, links, ports, policies: this.#listOf(policies) };
    if (!isSamePod(localPod, this.#localPods.get(key))) this.#localPods.set(key, localPod);
    if (this.#issuesOf(key, pod).length > 0) this.#troubled.set(key, pod);
    else this.#troubled.delete(key);
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
    return addressIssues(key, pod, this.#residents.staleOf(key), this.#ownership);
  }

  #refreshDenied(address: string): void {
    const isContested = this.#ownership.isContestedHere(address);
    const isolated = isContested ? this.#isolatedByContest(address) : undefined;
    const passes = this.#passing.has(address) && this.#ownership.isElsewhere(address) ? neitherWay : undefined;
    const denied = this.#ownership.isDenied(address) ? bothWays : (isolated ?? passes);
    this.#denied.set(address, denied, this.#ownership.linkOf(address));
  }

  /** S1.10: a contested local address is isolated in every direction in which any claimant is. */
  #isolatedByContest(address: string): ReadonlySet<Direction> {
    const isolated = new Set<Direction>();
    for (const [key] of this.#ownership.claimantsOf(address)) {
      if (this.#ownership.judge(key, address) !== 'contested') continue;
      for (const id of this.#policiesOf.get(key) ?? []) {
        for (const direction of this.#policies.get(id)?.isolates ?? []) isolated.add(direction);
      }
    }
    return isolated;
  }

  #setPolicies(key: PodKey, policies: ReadonlySet<PolicyId>): void {
    for (const id of policies) this.#addPolicy(key, id);
    for (const id of this.#policiesOf.get(key) ?? noPolicies) if (!policies.has(id)) this.#removePolicy(key, id);
  }

  #addPolicy(key: PodKey, id: PolicyId): void {
    const policies = this.#policiesOf.get(key);
    if (policies?.has(id)) return;
    if (policies) policies.add(id);
    else this.#policiesOf.set(key, new Set([id]));
    this.#selecting.add(id);
    if (!this.#activePolicies.has(id)) this.#activate(id, this.#policies.get(id));
  }

  #removePolicy(key: PodKey, id: PolicyId): void {
    const policies = this.#policiesOf.get(key);
    if (!policies?.delete(id)) return;
    if (policies.size === 0) this.#policiesOf.delete(key);
    this.#selecting.remove(id);
    if (!this.#selecting.has(id)) this.#activate(id, undefined);
  }

  /** Puts a policy in force, replaces it, or takes it out, as far as its namespace's budget goes. */
  #activate(id: PolicyId, policy: Policy | undefined): void {
    const admitted = this.#admission.set(id, policy);
    // Until that is decided it isolates.
    this.#put(id, admitted === 'later' ? withoutAllows(policy!) : admitted);
  }

  #settleAdmission(): void {
    this.#admission.settle((id, policy) => {
      if (this.#activePolicies.get(id) !== policy) this.#put(id, policy);
    });
    this.#decidedAt = this.#groups.memberships;
  }

  /** Groups of a policy come and go with it. */
  #put(id: PolicyId, policy: Policy | undefined): void {
    const before = this.#activePolicies.get(id);
    if (policy) this.#activePolicies.set(id, policy);
    else this.#activePolicies.delete(id);
    for (const [group, selection] of policy?.groups ?? []) {
      if (!this.#groups.retain(group, selection)) continue;
      this.#peers.add(group, selection);
      for (const [key, pod] of this.#podIndex.find(selection, this.#namespaceIndex)) {
        this.#groups.setMember(group, key, { addresses: this.#ownership.owned(key, pod), ports: pod.ports });
      }
    }
    for (const group of before?.groups.keys() ?? []) if (this.#groups.release(group)) this.#peers.remove(group);
  }

  #forgetPod(key: PodKey, pod: Pod): void {
    for (const id of this.#groups.groupsOf(key)) this.#groups.removeMember(id, key);
    this.#subjectIndex.remove(key, pod);
    this.#setPolicies(key, new Set());
    this.#forgetLocalPod(key);
  }

  #forgetLocalPod(key: PodKey): void {
    this.#staleLocalPods.delete(key);
    this.#localPods.delete(key);
    this.#troubled.delete(key);
  }
}

/** Of a pod that has no node yet it is not known what it speaks for. */
function usesOf({ pod: { nodeName, addresses }, sandbox }: Resident): AddressUse[] {
  if (nodeName === undefined) return [];
  return addresses.map((address) => ({ address, nodeName, isRecorded: sandbox !== undefined }));
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
