import type { Link, NamedPort } from './cluster.ts';
import type { Direction, GroupId, Policy, PolicyId } from './policy.ts';

/** `namespace/name/uid` */
export type PodKey = string;

/** A pod as the other end of a connection: the addresses that it owns (S1.9), and its named ports. */
export interface Member {
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** The pods behind one selection. A change makes a new object, so identity tells "unchanged"; `members` is a live view. */
export interface AddressGroup {
  readonly id: GroupId;
  readonly members: ReadonlyMap<PodKey, Member>;
}

/** A pod on this node that policies may isolate. A change makes a new object. */
export interface LocalPod {
  readonly key: PodKey;
  /** As `Pod.mirrorOf`: its sandbox bears this uid. */
  readonly mirrorOf?: string;
  readonly addresses: readonly string[];
  /** Of those addresses whose link is known. Held to it, the pod can send from them by no other way, and nobody else from them by any. */
  readonly links: ReadonlyMap<string, Link>;
  readonly ports: readonly NamedPort[];
  /** Ascending. */
  readonly policies: readonly PolicyId[];
}

/** A policy whose groups were not filled: with those of its namespace that have fewer groups, that would have cost more than the namespace may, by its own budget or its share of the node's (S9.13). */
export interface LeftOut {
  readonly groups: number;
  readonly budget: number;
}

/** Canonical. */
export interface NodeAddresses {
  /** Of this node: nobody else sends from them (S1.17). */
  readonly own: ReadonlySet<string>;
  /** Of the other nodes, which take tunnel packets there (S1.18). */
  readonly others: ReadonlySet<string>;
  /** The pod ranges of all nodes, ascending; none contains another. */
  readonly podCidrs: readonly string[];
}

/**
 * Everything that one node must know, and nothing else. No nftables in it.
 * The maps are live views of the indexer: read them before its next event.
 */
export interface Snapshot {
  /** With the same one the same indexer says the same. */
  readonly revision: number;
  readonly inSync: boolean;
  readonly localPods: ReadonlyMap<PodKey, LocalPod>;
  /** The policies that apply to a local pod; those that are left out without their rules. */
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  readonly leftOut?: ReadonlyMap<PolicyId, LeftOut>;
  /** The groups that those policies name. */
  readonly groups: ReadonlyMap<GroupId, AddressGroup>;
  /**
   * Local addresses that are isolated without allows, with the directions: those that several live pods claim, in the directions in which
   * any claimant is isolated, which may be none (S1.10); in both, those of sandboxes whose pod is not known (S1.14), and those that the API server gives
   * to a local pod whose sandbox has another address, or none (S1.9). In none, those of the gated ranges that pods of other nodes may use.
   */
  readonly denied: ReadonlyMap<string, ReadonlySet<Direction>>;
  /** The links of denied addresses that have one. */
  readonly deniedLinks: ReadonlyMap<string, Link>;
  /** Ranges in which no address may be used but those of local pods (S7.5): canonical CIDRs, ascending, without overlaps. Empty: no gate. */
  readonly gatedRanges: readonly string[];
  /** The very object while nothing changes. */
  readonly nodeAddresses: NodeAddresses;
}

/** What has changed in a group. */
export interface GroupDelta {
  /** What it was before; `undefined` where it is new. */
  readonly from: AddressGroup | undefined;
  /** The addresses that each changed member had or has in the group; `all` where too many members changed to name them. */
  readonly members: ReadonlyMap<PodKey, ReadonlySet<string>> | 'all';
}

/** What has changed in a Snapshot since another one: whatever a Delta does not name is the same in both. */
export interface Delta {
  /** Anything else than the members of groups has changed. */
  readonly localChanged: boolean;
  /** Each group that came, went or changed. */
  readonly groups: ReadonlyMap<GroupId, GroupDelta>;
}

/** Of a node without pods. */
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
