import { sorted } from '../lib/sort.ts';
import {
  resourceNames,
  type ModelObject,
  type Node,
  type ObjectKey,
  type Pod,
  type ResourceEvent,
  type ResourceName,
} from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Direction, Policy, PolicyId } from '../model/policy.ts';
import type { LocalPod, Member, PodKey, Snapshot } from '../model/snapshot.ts';
import { addressIssues } from './address-issues.ts';
import { GroupTable } from './group-table.ts';
import { NamespaceIndex } from './namespace-index.ts';
import { Ownership } from './ownership.ts';
import { PodIndex } from './pod-index.ts';
import { SelectionIndex } from './selection-index.ts';
import { sizeOfAll } from './table-size.ts';

/**
 * Holds the cluster as told, and folds events into what one node must know. The Snapshot depends only on the objects that are
 * there now, never on the order in which they came. One event costs work in proportion to the groups and policies that it touches.
 */
export class Indexer {
  readonly #nodeName: string;
  readonly #synced = new Set<ResourceName>();
  #revision = 0;

  readonly #pods = new Map<ObjectKey, Pod>();
  readonly #nodes = new Map<ObjectKey, Node>();
  readonly #policies = new Map<PolicyId, Policy>();

  readonly #namespaceIndex = new NamespaceIndex();
  readonly #ownership = new Ownership((pod) => this.#isLocal(pod));
  readonly #podIndex = new PodIndex();

  /** The pods whose policies matter here: local ones, and others that claim a local pod's address (S1.10). */
  readonly #subjectIndex = new PodIndex();
  readonly #subjects = new SelectionIndex(this.#namespaceIndex);
  readonly #policiesOf = new Map<PodKey, ReadonlySet<PolicyId>>();
  readonly #subjectsOf = new Map<PolicyId, Set<PodKey>>();

  readonly #activePolicies = new Map<PolicyId, Policy>();
  readonly #peers = new SelectionIndex(this.#namespaceIndex);
  readonly #groups = new GroupTable();

  readonly #localPods = new Map<PodKey, LocalPod>();
  readonly #contested = new Map<string, ReadonlySet<Direction>>();
  /** Addresses whose claimants, or their policies, an event has touched. */
  readonly #touchedClaims = new Set<string>();
  /** Local pods with an address that could not be honoured. */
  readonly #troubled = new Map<PodKey, Pod>();

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  receive(event: ResourceEvent): void {
    this.#revision++;
    if (event.op === 'synced') this.#synced.add(event.resource);
    else this.#replace(event.resource, event.key, event.op === 'upsert' ? event.value : undefined);
    for (const address of this.#touchedClaims) this.#refreshContested(address);
    this.#touchedClaims.clear();
  }

  snapshot(): Snapshot {
    return {
      revision: this.#revision,
      inSync: resourceNames.every((name) => this.#synced.has(name)),
      localPods: this.#localPods,
      policies: this.#activePolicies,
      groups: this.#groups.current,
      contested: this.#contested,
    };
  }

  get knowsNode(): boolean {
    return this.#nodes.has(this.#nodeName);
  }

  /** Addresses of local pods that could not be honoured, by pod. */
  get issues(): ReadonlyMap<PodKey, readonly Issue[]> {
    return new Map(this.#troubled.entries().map(([key, pod]) => [key, addressIssues(key, pod, this.#ownership)]));
  }

  /** How many pods and selections have been looked at: what tests count instead of time. */
  get visits(): { readonly pods: number; readonly selections: number } {
    return {
      pods: this.#podIndex.visits + this.#subjectIndex.visits,
      selections: this.#subjects.visits + this.#peers.visits,
    };
  }

  /** How many entries its tables hold: like the Snapshot, it depends on the objects alone, so nothing leaks. */
  get size(): number {
    const indexes = [
      this.#namespaceIndex,
      this.#ownership,
      this.#podIndex,
      this.#subjectIndex,
      this.#subjects,
      this.#peers,
    ];
    const maps = [this.#pods, this.#nodes, this.#policies, this.#activePolicies, this.#localPods, this.#contested];
    const tables = [...indexes, ...maps, this.#groups, this.#troubled];
    const own = tables.reduce((sum, table) => sum + table.size, 0);
    return own + sizeOfAll(this.#policiesOf.values()) + sizeOfAll(this.#subjectsOf.values());
  }

  #replace(resource: ResourceName, key: ObjectKey, value: ModelObject | undefined): void {
    switch (resource) {
      case 'pods':
        return this.#replacePod(key, value as Pod | undefined);
      case 'namespaces':
        return this.#replaceNamespace(key, value);
      case 'nodes':
        return this.#replaceNode(key, value as Node | undefined);
      case 'networkpolicies':
        return this.#replacePolicy(key, value as Policy | undefined);
    }
  }

  #replacePod(key: ObjectKey, value: Pod | undefined): void {
    const before = this.#pods.get(key);
    const after = value && canOwnAddress(value) ? value : undefined;
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    const addresses = new Set([...(before?.addresses ?? []), ...(after?.addresses ?? [])]);
    const refreshRivals = this.#watchClaims(addresses);
    if (before) {
      const podKey = podKeyOf(before);
      this.#pods.delete(key);
      this.#podIndex.remove(podKey, before);
      this.#ownership.remove(podKey, before);
      if (!after || podKeyOf(after) !== podKey) this.#forgetPod(podKey, before);
      else this.#subjectIndex.remove(podKey, before);
    }
    if (after) {
      this.#pods.set(key, after);
      this.#podIndex.add(podKeyOf(after), after);
      this.#ownership.add(podKeyOf(after), after);
      this.#refreshPod(podKeyOf(after), after);
    }
    refreshRivals();
  }

  /** Returns what brings those up to date whose claims to the addresses are worth something else by then. */
  #watchClaims(addresses: ReadonlySet<string>): () => void {
    const states = new Map([...addresses].map((address) => [address, this.#ownership.stateOf(address)]));
    return () => {
      for (const [address, state] of states) {
        this.#touchedClaims.add(address);
        if (this.#ownership.stateOf(address) === state) continue;
        for (const [key, pod] of this.#ownership.claimantsOf(address)) this.#refreshPod(key, pod);
      }
    };
  }

  #replaceNamespace(name: string, value: ModelObject | undefined): void {
    if (!this.#namespaceIndex.set(name, value?.kind === 'Namespace' ? value : undefined)) return;
    for (const [key, pod] of this.#podIndex.inNamespace(name)) this.#refreshPod(key, pod);
  }

  #replaceNode(name: string, value: Node | undefined): void {
    const before = this.#nodes.get(name)?.addresses ?? [];
    const after = value?.addresses ?? [];
    if (value) this.#nodes.set(name, value);
    else this.#nodes.delete(name);
    const refreshClaimants = this.#watchClaims(new Set([...before, ...after]));
    for (const address of after) this.#ownership.addNodeAddress(address);
    for (const address of before) this.#ownership.removeNodeAddress(address);
    refreshClaimants();
  }

  #replacePolicy(id: PolicyId, policy: Policy | undefined): void {
    const touched = new Map<PodKey, Pod>();
    const before = this.#policies.get(id);
    if (before) {
      for (const entry of this.#subjectIndex.find(before.appliesTo, this.#namespaceIndex)) touched.set(...entry);
      this.#policies.delete(id);
      this.#subjects.remove(id);
    }
    if (policy) {
      this.#policies.set(id, policy);
      this.#subjects.add(id, policy.appliesTo);
      for (const entry of this.#subjectIndex.find(policy.appliesTo, this.#namespaceIndex)) touched.set(...entry);
    }
    // The groups of the new version are retained before those of the old are released, so that shared ones stay filled.
    if (this.#subjectsOf.has(id)) this.#activate(id, policy);
    for (const [key, pod] of touched) this.#refreshSubject(key, pod);
  }

  /** Brings all that is derived from one pod up to date. */
  #refreshPod(key: PodKey, pod: Pod): void {
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
    const addresses = this.#ownership.owned(key, pod);
    const localPod: LocalPod = { key, addresses, ports: pod.ports, policies: sorted(policies) };
    if (JSON.stringify(localPod) !== JSON.stringify(this.#localPods.get(key))) this.#localPods.set(key, localPod);
    if (addressIssues(key, pod, this.#ownership).length > 0) this.#troubled.set(key, pod);
    else this.#troubled.delete(key);
  }

  /** S1.10: a contested local address is isolated in every direction in which any claimant is. */
  #refreshContested(address: string): void {
    const isolated = new Set<Direction>();
    if (this.#ownership.isContestedHere(address)) {
      for (const key of this.#ownership.claimantsOf(address).keys()) {
        if (this.#ownership.judge(key, address) !== 'contested') continue;
        for (const id of this.#policiesOf.get(key) ?? []) {
          for (const direction of this.#policies.get(id)?.isolates ?? []) isolated.add(direction);
        }
      }
    }
    if (isolated.size > 0) this.#contested.set(address, isolated);
    else this.#contested.delete(address);
  }

  #setPolicies(key: PodKey, policies: ReadonlySet<PolicyId>): void {
    const before = this.#policiesOf.get(key) ?? new Set();
    if (policies.size > 0) this.#policiesOf.set(key, policies);
    else this.#policiesOf.delete(key);
    for (const id of policies) {
      const subjects = this.#subjectsOf.get(id);
      if (subjects) subjects.add(key);
      else this.#subjectsOf.set(id, new Set([key]));
      if (!this.#activePolicies.has(id)) this.#activate(id, this.#policies.get(id));
    }
    for (const id of before) {
      if (policies.has(id)) continue;
      const subjects = this.#subjectsOf.get(id);
      if (!subjects?.delete(key) || subjects.size > 0) continue;
      this.#subjectsOf.delete(id);
      this.#activate(id, undefined);
    }
  }

  /** Puts a policy in force, replaces it, or takes it out; its groups come and go with it. */
  #activate(id: PolicyId, policy: Policy | undefined): void {
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
    this.#localPods.delete(key);
    this.#troubled.delete(key);
  }
}

function podKeyOf(pod: Pod): PodKey {
  return `${pod.namespace}/${pod.name}/${pod.uid}`;
}

/** S1.3, S1.4. */
function canOwnAddress(pod: Pod): boolean {
  return !pod.hostNetwork && !pod.terminal;
}
