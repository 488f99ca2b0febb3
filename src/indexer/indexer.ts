import {
  resourceNames,
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
import type { GroupSelection, Policy } from '../model/policy.ts';
import type { Delta, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';
import { ActivePolicies } from './active-policies.ts';
import { defaultFillBudgets, type FillBudgets } from './admission.ts';
import { isSameList } from '../lib/is-same-list.ts';
import { isSamePort } from '../model/same-pod.ts';
import { DeltaLog, ObservedMap } from './delta-log.ts';
import { DeniedAddresses } from './denied-addresses.ts';
import { GatedRanges, type GateOptions } from './gated-ranges.ts';
import { GroupTable } from './group-table.ts';
import { LocalPods } from './local-pods.ts';
import { NamespaceIndex } from './namespace-index.ts';
import { NodeTable } from './node-table.ts';
import { findOwners } from './owners.ts';
import { Ownership } from '../ownership/ownership.ts';
import { PodIndex } from './pod-index.ts';
import { hasSameClaims, LocalPodResolver, type ClaimChanges } from '../ownership/local-pod-resolver.ts';
import { Subjects } from './subjects.ts';

/**
 * Folds events and facts into the state that the node must know. The Snapshot depends only on the current objects and facts, never on the
 * order of events. The work per event is proportional to the groups and policies that the event touches.
 */
export class Indexer {
  readonly #nodeName: string;
  readonly #log = new DeltaLog();
  readonly #synced = new ObservedMap<ResourceName, true>(this.#log.noteLocal);

  readonly #localPodResolver: LocalPodResolver;
  readonly #gatedRanges: GatedRanges;
  readonly #nodes: NodeTable;

  readonly #namespaceIndex = new NamespaceIndex();
  readonly #ownership: Ownership;
  readonly #podIndex = new PodIndex();
  readonly #groups: GroupTable;
  readonly #policies: ActivePolicies;
  readonly #localPods: LocalPods;
  readonly #denied: DeniedAddresses;
  readonly #subjects: Subjects;

  constructor(
    nodeName: string,
    gate: GateOptions = { gate: true, podCidrs: [] },
    fillBudgets: FillBudgets = defaultFillBudgets,
  ) {
    const { noteLocal } = this.#log;
    const [namespaces, pods] = [this.#namespaceIndex, this.#podIndex];
    const isLocal = (pod: Pod) => pod.nodeName === nodeName;
    const nodes = new NodeTable(nodeName, noteLocal);
    const estimate = (each: GroupSelection): number => {
      if ('unplaced' in each) return 0;
      return 'nodes' in each ? 2 * nodes.all.size : pods.estimate(each, namespaces);
    };
    const ownership = new Ownership(isLocal);
    const localPodResolver = new LocalPodResolver(nodeName);
    const groups = new GroupTable(this.#log, pods, namespaces, ownership, nodes.all);
    const policies = new ActivePolicies(groups, estimate, fillBudgets, noteLocal);
    /** S10.33 */
    const isHeldBack = (address: string): boolean => {
      if (!policies.needNamespaces) return false;
      const owners = ownership.rightful(address).map(([, pod]) => pod);
      return owners.some(isLocal) && owners.some(({ namespace }) => !namespaces.get(namespace));
    };
    const localPods = new LocalPods(ownership, policies, (key) => localPodResolver.staleOf(key), isHeldBack, noteLocal);
    const gatedRanges = new GatedRanges(nodeName, gate, (name) => nodes.all.has(name), noteLocal);
    const denying = (key: PodKey) => policies.denying(key);
    const denied = new DeniedAddresses(ownership, gatedRanges, denying, isHeldBack, noteLocal);
    this.#nodeName = nodeName;
    [this.#ownership, this.#localPodResolver, this.#groups, this.#nodes] = [ownership, localPodResolver, groups, nodes];
    [this.#policies, this.#localPods, this.#gatedRanges, this.#denied] = [policies, localPods, gatedRanges, denied];
    this.#subjects = new Subjects({ namespaces, ownership, policies, localPods, denied, isLocal });
  }

  receive(event: ResourceEvent | NodeFact): void {
    this.#handle(event);
    this.#denied.refreshTouched();
  }

  snapshot(): Snapshot {
    this.#policies.decideAdmission();
    this.#denied.updatePassing();
    const localPods = this.#localPods.current;
    const groups = this.#groups.current;
    return {
      revision: this.#log.revision,
      inSync: this.inSync,
      localPods,
      policies: this.#policies.active,
      leftOut: this.#policies.leftOut,
      groups,
      denied: this.#denied.directions,
      deniedLinks: this.#denied.links,
      gatedRanges: this.#gatedRanges.current,
      nodeAddresses: this.#nodes.current,
    };
  }

  /**
   * Calls `consume` with the Snapshot and its changes since `consume` last returned; `all` at the first call. If `consume` throws, the next
   * call gets these changes too.
   */
  drain<T>(consume: (snapshot: Snapshot, delta: Delta | 'all') => T): T {
    const result = consume(this.snapshot(), this.#log.delta);
    this.#log.drain();
    return result;
  }

  /** The changes of `snapshot()` since the last `drain`. */
  get delta(): Delta | 'all' {
    return this.#log.delta;
  }

  /** All first lists are complete. Unlike a Snapshot, this is cheap. */
  get inSync(): boolean {
    return resourceNames.every((name) => this.#synced.has(name));
  }

  get knowsNode(): boolean {
    return this.#nodes.all.has(this.#nodeName);
  }

  /** Live sandboxes whose pod the indexer does not know. */
  get unknownSandboxes(): readonly Sandbox[] {
    return this.#localPodResolver.unknown;
  }

  /** Local pods with an address whose link is unknown. */
  get unlinked(): readonly LocalPod[] {
    return this.#localPods.unlinked;
  }

  /** Pod ranges of the own Node that are not gated, because a sandbox of this node has an address outside of them. */
  get disputedRanges(): readonly string[] {
    return this.#gatedRanges.disputed;
  }

  /** Other nodes whose pods claim addresses of the gated ranges. */
  get gateClaims(): readonly GateClaims[] {
    return this.#gatedRanges.claims;
  }

  /** The runtime records all sandboxes: at least one sandbox belongs, or belonged, to a known pod. */
  get cniCacheComplete(): boolean {
    return this.#localPodResolver.cniCacheComplete;
  }

  /** By local pod, issues of addresses that it claims but may not use. */
  get issues(): ReadonlyMap<PodKey, readonly Issue[]> {
    return this.#localPods.issues;
  }

  /** The owners of the address, by what this node knows. */
  ownersOf(address: string): Owners {
    const [ownership, namespaces] = [this.#ownership, this.#namespaceIndex];
    return findOwners(address, { ownership, namespaces, nodes: this.#nodes.all, policiesOf: this.#policies.ofPods });
  }

  /** Number of pods and selections visited. Tests count visits instead of time. */
  get visits(): { readonly pods: number; readonly selections: number } {
    const { pods, selections } = this.#subjects.visits;
    return {
      pods: pods + this.#podIndex.visits + this.#localPodResolver.visits,
      selections: selections + this.#groups.visits,
    };
  }

  /** Number of entries in all tables. It depends on the current objects alone; tests use it to find leaks. */
  get size(): number {
    const ofPods = [this.#podIndex, this.#localPodResolver, this.#ownership, this.#localPods, this.#denied];
    const others = [this.#nodes, this.#namespaceIndex, this.#policies, this.#subjects, this.#groups];
    return [...ofPods, ...others].reduce((sum, table) => sum + table.size, 0);
  }

  #handle(event: ResourceEvent | NodeFact): void {
    switch (event.op) {
      case 'synced':
        return void this.#synced.set(event.resource, true);
      case 'upsert':
        return this.#replace(event.resource, event.key, event.value);
      case 'remove':
        return this.#replace(event.resource, event.key, undefined);
      case 'sandbox':
        return this.#applyPodChanges(this.#localPodResolver.setSandbox(event.id, event.value));
      case 'fetched':
        return this.#applyPodChanges(this.#localPodResolver.setFetched(event.key, event.value));
      case 'cache-complete':
        return this.#applyPodChanges(this.#localPodResolver.setCacheComplete());
      case 'cache-readable':
        return this.#applyPodChanges(this.#localPodResolver.setCacheReadable(event.readable));
      case 'links':
        return this.#applyPodChanges(this.#localPodResolver.setLinks(event.links));
      case 'ranges':
        return this.#gatedRanges.setLearned(event.cidrs);
      case 'unflushed':
        return this.#denied.setUnflushed(event.addresses);
      case 'saved':
        this.#nodes.restore(event.nodes);
        return this.#applyPodChanges(this.#localPodResolver.setSaved(event.addresses));
    }
  }

  #replace(resource: ResourceName, key: ObjectKey, value: ModelObject | undefined): void {
    switch (resource) {
      case 'pods':
        return this.#applyPodChanges(this.#localPodResolver.setWatched(key, value as Pod | undefined));
      case 'namespaces':
        return this.#replaceNamespace(key, value);
      case 'nodes':
        return this.#replaceNode(key, value as Node | undefined);
      case 'networkpolicies':
        return this.#subjects.replacePolicy(key, value as Policy | undefined);
      case 'clusternetworkpolicies':
        return this.#subjects.replacePolicy(`/${key}`, value as Policy | undefined);
    }
  }

  #applyPodChanges({ changes, addresses }: ClaimChanges): void {
    const claimants = this.#ownership.watch(addresses);
    const unseen = new Set<PodKey>();
    for (const { key, before, after } of changes) {
      this.#podIndex.replace(key, before?.pod, after?.pod);
      if (before && after && hasSameClaims(before, after)) {
        this.#ownership.replace(key, after.pod);
        if (this.#isUnseen(key, before.pod, after.pod)) unseen.add(key);
      } else if (before) {
        this.#gatedRanges.count(before, -1);
        this.#ownership.remove(key, before.pod);
      }
      if (before && after) this.#subjects.leave(key, before.pod);
      else if (before) {
        this.#groups.forgetPod(key);
        this.#subjects.forget(key, before.pod);
      }
    }
    for (const { key, before, after } of changes) {
      if (!after || (before && hasSameClaims(before, after))) continue;
      this.#gatedRanges.count(after, 1);
      this.#ownership.add(key, after.pod);
    }
    for (const address of addresses) {
      this.#ownership.setLocalState(address, this.#localPodResolver.localAddressState(address));
      this.#denied.touch(address);
      this.#groups.refreshAddress(address);
    }
    const seen = changes.filter(({ key }) => !unseen.has(key));
    const refreshed = new Map(seen.flatMap(({ key, after }) => (after ? [[key, after.pod]] : [])));
    for (const [key, pod] of refreshed) this.#refreshPod(key, pod);
    for (const [key, pod] of claimants()) if (!refreshed.has(key)) this.#refreshPod(key, pod);
  }

  /** Whether the change of a pod with the same claims is one that nothing derived from it shows: of labels that no selection looks at. */
  #isUnseen(key: PodKey, before: Pod, after: Pod): boolean {
    if (!isSameList(before.ports, after.ports, isSamePort) || before.mirrorOf !== after.mirrorOf) return false;
    return !this.#subjects.has(key, before) && !this.#groups.looksAtChange(before.labels, after.labels);
  }

  #replaceNamespace(name: string, value: ModelObject | undefined): void {
    const wasKnown = this.#namespaceIndex.get(name) !== undefined;
    const namespace = value?.kind === 'Namespace' ? value : undefined;
    const changesScopes = this.#namespaceIndex.set(name, namespace);
    if (!changesScopes && wasKnown === (namespace !== undefined)) return;
    for (const [key, pod] of this.#podIndex.inNamespace(name)) this.#refreshPod(key, pod);
  }

  #replaceNode(name: string, value: Node | undefined): void {
    const known = this.#nodes.all.get(name);
    const before = known?.addresses ?? [];
    const after = value?.addresses ?? [];
    this.#nodes.replace(name, value);
    this.#gatedRanges.nodesChanged();
    const isOwn = name === this.#nodeName;
    if (isOwn) this.#gatedRanges.setOfNode(value?.podCidrs ?? [], this.#localPodResolver.all());
    const addresses = new Set([...before, ...after]);
    const claimants = this.#ownership.watch(addresses);
    for (const address of after) this.#ownership.addNodeAddress(address, isOwn);
    for (const address of before) this.#ownership.removeNodeAddress(address, isOwn);
    this.#groups.refreshNode(known, value);
    for (const address of addresses) {
      this.#denied.touch(address);
      this.#groups.refreshAddress(address);
    }
    for (const [key, pod] of claimants()) this.#refreshPod(key, pod);
  }

  /** Updates everything that is derived from one pod. */
  #refreshPod(key: PodKey, pod: Pod): void {
    this.#policies.checkGrowth();
    this.#groups.refreshPod(key, pod);
    this.#subjects.refresh(key, pod);
  }
}
