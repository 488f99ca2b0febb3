import type { NamedPort } from './cluster.ts';
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
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
  /** Ascending. */
  readonly policies: readonly PolicyId[];
}

/**
 * Everything that one node must know, and nothing else. No nftables in it.
 * The maps are live views of the indexer: read them before its next event.
 */
export interface Snapshot {
  readonly revision: number;
  readonly inSync: boolean;
  readonly localPods: ReadonlyMap<PodKey, LocalPod>;
  /** The policies that apply to a local pod. */
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  /** The groups that those policies name. */
  readonly groups: ReadonlyMap<GroupId, AddressGroup>;
  /** Local addresses that several live pods claim, with the directions in which any claimant is isolated (S1.10). */
  readonly contested: ReadonlyMap<string, ReadonlySet<Direction>>;
}
