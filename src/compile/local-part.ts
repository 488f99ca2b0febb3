import type { Family } from '../model/address.ts';
import type { PolicyId } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { countKinds, groupPods, type AllKinds } from './pod-kinds.ts';
import { nodeSets, type NodeSets } from './links.ts';

/** The sets of node addresses, with their source. A large cluster has thousands of nodes, and their addresses seldom change. */
interface KnownNodeSets extends Readonly<Record<Family, NodeSets>> {
  readonly of: Snapshot['nodeAddresses'];
}

function readNodeSets(of: Snapshot['nodeAddresses'], known: KnownNodeSets | undefined): KnownNodeSets {
  return known?.of === of ? known : { of, ipv4: nodeSets('ipv4', of), ipv6: nodeSets('ipv6', of) };
}

/** Everything derived from the Snapshot that does not depend on group members. It is valid until a Delta has `localChanged`. */
export interface LocalPart {
  readonly kinds: AllKinds;
  /** See `countKinds`. */
  readonly kindsOfPolicies: ReadonlyMap<PolicyId, number>;
  readonly localAddresses: ReadonlySet<string>;
  readonly nodeSets: KnownNodeSets;
}

export function readLocal(snapshot: Snapshot, last: LocalPart | undefined): LocalPart {
  const kinds = groupPods(snapshot);
  return {
    kinds,
    kindsOfPolicies: countKinds(kinds, snapshot.policies),
    localAddresses: new Set(snapshot.localPods.values().flatMap(({ addresses }) => addresses)),
    nodeSets: readNodeSets(snapshot.nodeAddresses, last?.nodeSets),
  };
}
