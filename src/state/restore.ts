import { compareText } from '../lib/sort.ts';
import type { Sandbox } from '../model/cluster.ts';
import { directions, type Direction, type GroupId } from '../model/policy.ts';
import type { AddressGroup, Delta, GroupDelta, LocalPod, Member, PodKey, Snapshot } from '../model/snapshot.ts';
import type { SavedPod, SavedState } from './saved-state.ts';

/** Who has what on this node now, by its live sandboxes. */
interface Present {
  /** The live sandbox that an address belongs to. */
  readonly holders: ReadonlyMap<string, Sandbox>;
  /** The live sandbox that counts for a pod. */
  readonly sandboxes: ReadonlyMap<PodKey, Sandbox>;
}

const both: ReadonlySet<Direction> = new Set(directions);

/** Whoever restores again counts for himself. */
export type RestoredSnapshot = Omit<Snapshot, 'revision'>;

/**
 * What is known while the API server has not been reached: policies and other nodes as saved, and of this node what its sandboxes say.
 * No saved address of this node is believed: after a reboot it may be anybody's (S7.15). A live sandbox whose pod is not in the saved
 * state is denied both ways (S1.14), as is every saved address of this node that no live sandbox has.
 */
export function restoreSnapshot(saved: SavedState, sandboxes: Iterable<Sandbox>): RestoredSnapshot {
  const present = findPresent(saved, sandboxes);
  const localPods = new Map(saved.localPods.values().map((pod) => [pod.key, restorePod(pod, present)]));
  const { denied, deniedLinks } = restoreDenied(saved, localPods, present);
  return {
    inSync: true,
    localPods,
    policies: saved.policies,
    groups: new Map(saved.groups.values().map((group) => [group.id, restoreGroup(group, localPods, present)])),
    denied,
    deniedLinks,
    gatedRanges: saved.gatedRanges,
    nodeAddresses: saved.nodeAddresses,
  };
}

/** What differs between two Snapshots of one saved state: the groups that are other objects, and of this node anything. */
export function deltaOfRestored(before: Snapshot, after: Snapshot): Delta {
  const groups = after.groups.entries().flatMap(([id, group]): [GroupId, GroupDelta][] => {
    const from = before.groups.get(id);
    return from === group ? [] : [[id, { from, members: 'all' }]];
  });
  return { localChanged: true, groups: new Map(groups) };
}

/** Whether some sandbox, live or not, is of a saved pod: the runtime of this node keeps the facts that `restoreSnapshot` needs. */
export function keepsSandboxes({ localPods }: SavedState, sandboxes: Iterable<Sandbox>): boolean {
  const pods = podsBySandbox(localPods.values());
  return Iterator.from(sandboxes).some((sandbox) => pods.has(sandboxPodKey(sandbox)));
}

function findPresent({ localPods }: SavedState, all: Iterable<Sandbox>): Present {
  const pods = podsBySandbox(localPods.values());
  const holders = new Map<string, Sandbox>();
  const sandboxes = new Map<PodKey, Sandbox>();
  // The newest comes last, and so has an address, or a pod, that several name.
  const live = [...all].filter((sandbox) => sandbox.live);
  for (const sandbox of live.sort((a, b) => a.order - b.order || compareText(a.id, b.id))) {
    for (const address of sandbox.addresses) holders.set(address, sandbox);
    const pod = pods.get(sandboxPodKey(sandbox));
    if (pod) sandboxes.set(pod.key, sandbox);
  }
  return { holders, sandboxes };
}

/** A sandbox knows a static pod by another uid than its object. */
function podsBySandbox(pods: Iterable<SavedPod>): Map<PodKey, SavedPod> {
  const found = new Map<PodKey, SavedPod>();
  for (const pod of pods) {
    found.set(pod.key, pod);
    if (pod.mirrorOf === undefined) continue;
    const [namespace, name] = pod.key.split('/');
    found.set(`${namespace}/${name}/${pod.mirrorOf}`, pod);
  }
  return found;
}

function sandboxPodKey({ namespace, name, uid }: Sandbox): PodKey {
  return `${namespace}/${name}/${uid}`;
}

function restorePod(pod: SavedPod, { holders, sandboxes }: Present): LocalPod {
  const sandbox = sandboxes.get(pod.key);
  const addresses = sandbox?.addresses.filter((address) => holders.get(address) === sandbox) ?? [];
  const link = sandbox?.link;
  return { ...pod, addresses, links: new Map(link && addresses.map((address) => [address, link])) };
}

function restoreDenied(
  saved: SavedState,
  localPods: ReadonlyMap<PodKey, LocalPod>,
  { holders }: Present,
): Pick<Snapshot, 'denied' | 'deniedLinks'> {
  const owned = new Set(localPods.values().flatMap(({ addresses }) => addresses));
  const known = new Set([...saved.denied, ...saved.localPods.values().flatMap(({ addresses }) => addresses)]);
  const denied = known.union(new Set(holders.keys())).difference(owned);
  const links = holders
    .entries()
    .flatMap(([address, { link }]) => (link && denied.has(address) ? [[address, link] as const] : []));
  return { denied: new Map([...denied].map((address) => [address, both])), deniedLinks: new Map(links) };
}

/** The very same object where nothing in it is otherwise. */
function restoreGroup(
  group: AddressGroup,
  localPods: ReadonlyMap<PodKey, LocalPod>,
  { holders }: Present,
): AddressGroup {
  const changed = new Map<PodKey, Member>();
  for (const [key, member] of group.members) {
    const addresses = localPods.get(key)?.addresses ?? member.addresses.filter((address) => !holders.has(address));
    if (!sameAddresses(addresses, member.addresses)) changed.set(key, { ...member, addresses });
  }
  return changed.size > 0 ? { id: group.id, members: new Map([...group.members, ...changed]) } : group;
}

function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, index) => address === b[index]);
}
