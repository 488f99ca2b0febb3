import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { AddressGroup, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';

/** A local pod without its links: device names change with a reboot. */
export type SavedPod = Omit<LocalPod, 'links'>;

/** The part of a Snapshot that a node needs if it starts while the API server is down. */
export interface SavedState {
  readonly localPods: ReadonlyMap<PodKey, SavedPod>;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  readonly groups: ReadonlyMap<GroupId, AddressGroup>;
  /** Addresses of this node that were denied in at least one direction. */
  readonly denied: ReadonlySet<string>;
  readonly gatedRanges: readonly string[];
  readonly nodeAddresses: Snapshot['nodeAddresses'];
}

/** The result shares the snapshot's maps: read or copy it before the indexer handles the next event. */
export function stateOf({ localPods, policies, groups, denied, gatedRanges, nodeAddresses }: Snapshot): SavedState {
  const pods = localPods.values().map(({ links: _links, ...pod }): [PodKey, SavedPod] => [pod.key, pod]);
  const isDenied = denied.entries().flatMap(([address, directions]) => (directions.size > 0 ? [address] : []));
  return {
    localPods: new Map(pods),
    policies,
    groups,
    denied: new Set(isDenied),
    gatedRanges,
    nodeAddresses,
  };
}
