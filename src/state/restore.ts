import { compareText } from '../lib/sort.ts';
import type { Sandbox } from '../model/cluster.ts';
import { directions, type Direction, type GroupId } from '../model/policy.ts';
import type { AddressGroup, Delta, GroupDelta, LocalPod, Member, PodKey, Snapshot } from '../model/snapshot.ts';
import type { SavedPod, SavedState } from './saved-state.ts';

/** The live sandboxes of this node, by address and by pod. */
interface LiveSandboxes {
  /** The live sandbox that owns an address. */
  readonly holders: ReadonlyMap<string, Sandbox>;
  /** The newest live sandbox of a pod. */
  readonly sandboxes: ReadonlyMap<PodKey, Sandbox>;
}

const both: ReadonlySet<Direction> = new Set(directions);

/** The caller numbers the revisions. */
export type RestoredSnapshot = Omit<Snapshot, 'revision'>;

/**
 * Builds the Snapshot to enforce until the API server answers. Policies and pods of other nodes come from the saved state. Addresses of local pods come
 * from the live sandboxes only: after a reboot, a saved local address may belong to any pod (S7.15). The result denies both directions for a live
 * sandbox whose pod is not in the saved state (S1.14), and for a saved local address without a live sandbox.
 */
export function restoreSnapshot(saved: SavedState, sandboxes: Iterable<Sandbox>): RestoredSnapshot {
  const live = findLive(saved, sandboxes);
  const localPods = new Map(saved.localPods.values().map((pod) => [pod.key, restorePod(pod, live)]));
  const { denied, deniedLinks } = restoreDenied(saved, localPods, live);
  return {
    inSync: true,
    localPods,
    policies: saved.policies,
    groups: new Map(saved.groups.values().map((group) => [group.id, restoreGroup(group, localPods, live)])),
    denied,
    deniedLinks,
    gatedRanges: saved.gatedRanges,
    nodeAddresses: saved.nodeAddresses,
  };
}

/** The delta between two Snapshots of one saved state: each group whose object differs. Anything of this node may have changed. */
export function deltaOfRestored(before: Snapshot, after: Snapshot): Delta {
  const groups = after.groups.entries().flatMap(([id, group]): [GroupId, GroupDelta][] => {
    const from = before.groups.get(id);
    return from === group ? [] : [[id, { from, members: 'all' }]];
  });
  return { localChanged: true, groups: new Map(groups) };
}

/** Whether a sandbox, live or not, belongs to a saved pod. If so, the container runtime keeps the records that `restoreSnapshot` needs. */
export function hasSandboxOfSavedPod({ localPods }: SavedState, sandboxes: Iterable<Sandbox>): boolean {
  const pods = podsBySandbox(localPods.values());
  return Iterator.from(sandboxes).some((sandbox) => pods.has(sandboxPodKey(sandbox)));
}

function findLive({ localPods }: SavedState, all: Iterable<Sandbox>): LiveSandboxes {
  const pods = podsBySandbox(localPods.values());
  const holders = new Map<string, Sandbox>();
  const sandboxes = new Map<PodKey, Sandbox>();
  // The newest sandbox comes last, so it wins an address or a pod that several sandboxes claim.
  const live = [...all].filter((sandbox) => sandbox.live);
  for (const sandbox of live.sort((a, b) => a.order - b.order || compareText(a.id, b.id))) {
    for (const address of sandbox.addresses) holders.set(address, sandbox);
    const pod = pods.get(sandboxPodKey(sandbox));
    if (pod) sandboxes.set(pod.key, sandbox);
  }
  return { holders, sandboxes };
}

/** A sandbox has the kubelet's uid of a static pod, not the uid of its mirror pod. */
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

function restorePod(pod: SavedPod, { holders, sandboxes }: LiveSandboxes): LocalPod {
  const sandbox = sandboxes.get(pod.key);
  const addresses = sandbox?.addresses.filter((address) => holders.get(address) === sandbox) ?? [];
  const link = sandbox?.link;
  return { ...pod, addresses, links: new Map(link && addresses.map((address) => [address, link])) };
}

function restoreDenied(
  saved: SavedState,
  localPods: ReadonlyMap<PodKey, LocalPod>,
  { holders }: LiveSandboxes,
): Pick<Snapshot, 'denied' | 'deniedLinks'> {
  const owned = new Set(localPods.values().flatMap(({ addresses }) => addresses));
  const known = new Set([...saved.denied, ...saved.localPods.values().flatMap(({ addresses }) => addresses)]);
  const denied = known.union(new Set(holders.keys())).difference(owned);
  const links = holders
    .entries()
    .flatMap(([address, { link }]) => (link && denied.has(address) ? [[address, link] as const] : []));
  return { denied: new Map([...denied].map((address) => [address, both])), deniedLinks: new Map(links) };
}

/** Returns the same object if no member changes. */
function restoreGroup(
  group: AddressGroup,
  localPods: ReadonlyMap<PodKey, LocalPod>,
  { holders }: LiveSandboxes,
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
