import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { AddressGroup, LocalPod, PodKey, Snapshot } from '../model/snapshot.ts';

/** Without its links: names of devices do not outlive a reboot. */
export type SavedPod = Omit<LocalPod, 'links'>;

/** What of a Snapshot is worth keeping for a node that starts while the API server is down. */
export interface SavedState {
  readonly localPods: ReadonlyMap<PodKey, SavedPod>;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  readonly groups: ReadonlyMap<GroupId, AddressGroup>;
  /** Addresses of this node that were denied, in some direction. */
  readonly denied: ReadonlySet<string>;
  readonly gatedRanges: readonly string[];
  readonly nodeAddresses: Snapshot['nodeAddresses'];
}

/** Its maps are the snapshot's own: read it before the indexer's next event. */
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
