import type { Link, NamedPort, NodeAddresses } from './cluster.ts';
import type { Direction, GroupId, Policy, PolicyId } from './policy.ts';

/** `namespace/name/uid` */
export type PodKey = string;

/** A pod as the other end of a connection: the addresses that it owns (S1.9), and its named ports. */
export interface Member {
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** The pods that one selection matches. Each change makes a new object, so the same object means unchanged; `members` is a live view. */
export interface AddressGroup {
  readonly id: GroupId;
  readonly members: ReadonlyMap<PodKey, Member>;
}

/** A pod on this node that policies may isolate. A change makes a new object. */
export interface LocalPod {
  readonly key: PodKey;
  /** See `Pod.mirrorOf`: the uid of its sandbox. */
  readonly mirrorOf?: string;
  readonly addresses: readonly string[];
  /**
   * Links by address; addresses with an unknown link are missing. The guard lets the pod send from an address on this link only, and no other
   * device may send from it (S1.15, S1.17).
   */
  readonly links: ReadonlyMap<string, Link>;
  readonly ports: readonly NamedPort[];
  /** Ascending. */
  readonly policies: readonly PolicyId[];
  /** The agent cannot tell which ClusterNetworkPolicies select it, so it is denied (S10.33). */
  readonly isHeldBack?: true;
}

/**
 * A policy whose groups the indexer did not fill: the namespace is over its own budget or over its share of the node's budget (S9.13). Policies with
 * the most groups are left out first.
 */
export interface LeftOut {
  readonly groups: number;
  readonly budget: number;
}

/**
 * Everything that compile needs about the cluster to program this node.
 * The maps are live views of the indexer: read them before its next event.
 */
export interface Snapshot {
  /** Two Snapshots of one indexer with the same revision are equal. */
  readonly revision: number;
  readonly inSync: boolean;
  readonly localPods: ReadonlyMap<PodKey, LocalPod>;
  /** The policies that select a local pod. Policies in `leftOut` allow nothing here. */
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  readonly leftOut?: ReadonlyMap<PolicyId, LeftOut>;
  /** The groups that `policies` name. */
  readonly groups: ReadonlyMap<GroupId, AddressGroup>;
  /**
   * Addresses without allow rules, with the directions in which they are isolated:
   *
   * - Several live pods claim the address: each direction in which a claimant is isolated, possibly none (S1.10).
   * - A sandbox with an unknown pod has the address: both directions (S1.14).
   * - Only the API server reports the address for a local pod, not the pod's sandbox: both directions (S1.9).
   * - The connections of an earlier pod with the address are not deleted yet: both directions (S5.17). A local pod may own the address.
   * - The agent does not know the Namespace object of the address's local pod, and a policy may select it by that: both directions (S10.33).
   * - A pod of another node may use an address in the gated ranges: no direction.
   */
  readonly denied: ReadonlyMap<string, ReadonlySet<Direction>>;
  /** The known links of denied addresses. */
  readonly deniedLinks: ReadonlyMap<string, Link>;
  /** Only local pods may use addresses in these ranges (S7.5): canonical CIDRs, ascending, without overlaps. Empty: no gate. */
  readonly gatedRanges: readonly string[];
  /** The same object until the addresses change. */
  readonly nodeAddresses: NodeAddresses;
}

/** How a group differs from the last compile. */
export interface GroupDelta {
  /** The group as it was; `undefined` if it is new. */
  readonly from: AddressGroup | undefined;
  /** By changed member, its addresses before and after; `all` if too many members changed to list them. */
  readonly members: ReadonlyMap<PodKey, ReadonlySet<string>> | 'all';
}

/** The differences between two Snapshots. What a Delta does not name is equal in both. */
export interface Delta {
  /** Something other than group members changed. */
  readonly localChanged: boolean;
  /** Groups that are new, deleted or changed. */
  readonly groups: ReadonlyMap<GroupId, GroupDelta>;
}

/** The Snapshot of a node without pods. */
export const emptySnapshot: Snapshot = {
  revision: 0,
  inSync: true,
  localPods: new Map(),
  policies: new Map(),
  groups: new Map(),
  denied: new Map(),
  deniedLinks: new Map(),
  gatedRanges: [],
  nodeAddresses: { own: new Set(), others: new Set(), podCidrs: [] },
};
