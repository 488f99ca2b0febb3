import {
  resourceNames,
  type Labels,
  type ModelObject,
  type NodeFact,
  type ObjectKey,
  type Pod,
  type ResourceEvent,
  type ResourceName,
} from '../model/cluster.ts';
import type { Policy, Selection } from '../model/policy.ts';
import type { Member, PodKey } from '../model/snapshot.ts';
import type { SavedState } from './saved-state.ts';

/** A name that no node has. */
const elsewhere = '';

/**
 * Turns a saved state into events. An indexer that receives them has the saved Snapshot, without addresses of this node: after a reboot, a saved
 * address may belong to any pod (S7.15). It then takes them from the sandboxes, as always. The indexer must have no fill budget, as what was saved was
 * within it.
 *
 * A saved state has no labels. So each saved policy and each saved group selects a label of its own, and the replay labels their pods.
 */
export function* replayState(saved: SavedState, node: string): Generator<ResourceEvent | NodeFact> {
  const ofThisNode = saved.localPods.values().flatMap(({ addresses }) => addresses);
  const denied = new Set([...saved.denied, ...ofThisNode]);
  yield { op: 'saved', addresses: [...denied], nodes: saved.nodeAddresses };

  const memberships = findMemberships(saved);
  const labelsOf = shareLabels();
  const names = new Set<ObjectKey>();
  for (const { key, ports, mirrorOf, isHeldBack } of saved.localPods.values()) {
    // The agent could not tell which policies select it. As an unknown pod, it stays denied (S1.14).
    if (isHeldBack) continue;
    const labels = labelsOf(memberships.get(key)!.labels);
    const value = podOf(key, { nodeName: node, addresses: [], labels, ports });
    const pod = mirrorOf === undefined ? value : { ...value, mirrorOf };
    const name = nameOf(pod);
    // The watch has one pod of a name. So the agent had fetched the other.
    yield names.has(name) ? { op: 'fetched', key: name, value: pod } : upsert('pods', name, pod);
    names.add(name);
  }
  // Before the other pods: each of them then costs what its groups cost. No policy has to look for its pods.
  for (const policy of saved.policies.values()) {
    yield upsert('networkpolicies', policy.id, { ...byLabels(policy), kind: 'Policy' });
  }
  for (const [key, { labels, member }] of memberships) {
    if (!member) continue;
    // An address that several pods claim is a member of its own (S10.11). Here, it must not seem to be of another node.
    const addresses = member.addresses.filter((each) => !denied.has(each));
    const pod = podOf(key, { ...member, addresses, nodeName: elsewhere, labels: labelsOf(labels) });
    if (!names.has(nameOf(pod))) yield upsert('pods', nameOf(pod), pod);
  }
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

interface Membership {
  readonly labels: string[];
  /** Only of a pod of another node. */
  readonly member?: Member;
}

function findMemberships({ localPods, groups }: SavedState): Map<PodKey, Membership> {
  const found = new Map<PodKey, Membership>();
  for (const { key, policies } of localPods.values()) found.set(key, { labels: policies.map(labelOfPolicy) });
  for (const { id, members } of groups.values()) {
    const label = labelOfGroup(id);
    for (const [key, member] of members) {
      const known = found.get(key);
      if (known) known.labels.push(label);
      else found.set(key, { labels: [label], member });
    }
  }
  return found;
}

/** Saves memory: pods in the same policies and groups share one object. */
function shareLabels(): (list: readonly string[]) => Labels {
  const shared = new Map<string, Labels>();
  return (list) => {
    const text = list.join();
    const labels = shared.get(text) ?? Object.fromEntries(list.map((label) => [label, '']));
    shared.set(text, labels);
    return labels;
  };
}

function labelOfPolicy(id: string): string {
  return `policy ${id}`;
}

function labelOfGroup(id: string): string {
  return `group ${id}`;
}

function byLabels(policy: Policy): Policy {
  const groups = policy.groups.keys().map((id) => [id, selectLabel(labelOfGroup(id))] as const);
  return { ...policy, appliesTo: selectLabel(labelOfPolicy(policy.id)), groups: new Map(groups) };
}

function selectLabel(key: string): Selection {
  return { namespaces: 'all', pods: [{ key, operator: 'In', values: [''] }] };
}

type Fields = Pick<Pod, 'nodeName' | 'addresses' | 'labels' | 'ports'>;

function podOf(key: PodKey, fields: Fields): Pod {
  const [namespace, name, uid] = key.split('/') as [string, string, string];
  return { kind: 'Pod', namespace, name, uid, hostNetwork: false, terminal: false, terminating: false, ...fields };
}

function nameOf({ namespace, name }: Pod): ObjectKey {
  return `${namespace}/${name}`;
}

function upsert(resource: ResourceName, key: ObjectKey, value: ModelObject): ResourceEvent {
  return { op: 'upsert', resource, key, uid: '', resourceVersion: '', generation: 0, value, issues: [] };
}
