import { compareText } from '../lib/sort.ts';
import { holdsAddress, mergeRanges, parseAddress, type AddressRange } from '../model/address.ts';
import type { GroupId, Peer } from '../model/policy.ts';
import type { AddressGroup, Member, PodKey } from '../model/snapshot.ts';
import { peersText, type ClassRule, type ClassSpec } from './class-spec.ts';
import { flattenRules } from './flatten-rules.ts';
import {
  maxSinglePorts,
  portRangeText,
  portSetOf,
  portSetText,
  resolveNamedPort,
  singlePorts,
  type PortRange,
  type PortSet,
} from './port-set.ts';

/** All peers that may use one set of ports. */
export interface Bucket {
  readonly ports: PortSet;
  /** Single ports, if there are few enough for tuples. */
  readonly single: readonly PortRange[];
  everyone: boolean;
  /** Ascending group ids once built. */
  readonly groups: Set<GroupId>;
  ranges: AddressRange[];
}

/** Everything derived from a class's rules that does not depend on group members. It is computed once per class. */
export interface ClassRules {
  readonly spec: ClassSpec;
  /** The class allows what one of these rules matches. */
  readonly allows: readonly ClassRule[];
  readonly buckets: readonly Bucket[];
  /** The groups whose members decide the content of the class's sets. */
  readonly groups: readonly GroupId[];
  /** How many sets a packet of one port is looked up in at most, if each group and each list of blocks has a set of its own. */
  readonly lookupsOfPort: number;
}

export type Groups = ReadonlyMap<GroupId, AddressGroup>;

export function readClass(spec: ClassSpec): ClassRules {
  const allows = flattenRules(spec.rules);
  const buckets = bucketsOf(allows);
  return { spec, allows, buckets, groups: groupsOf(allows), lookupsOfPort: countLookupsOfPort(buckets) };
}

function countLookupsOfPort(buckets: readonly Bucket[]): number {
  const changes: { readonly protocol: string; readonly port: number; readonly by: number }[] = [];
  let [count, most] = [0, 0];
  for (const { ports, groups, ranges } of buckets) {
    const by = groups.size + (ranges.length > 0 ? 1 : 0);
    if (ports === 'any') most = count += by;
    else {
      for (const { protocol, first, last } of ports) {
        changes.push({ protocol, port: first, by }, { protocol, port: last + 1, by: -by });
      }
    }
  }
  // At one port, ranges end before others begin.
  changes.sort((a, b) => compareText(a.protocol, b.protocol) || a.port - b.port || a.by - b.by);
  for (const { by } of changes) most = Math.max(most, (count += by));
  return most;
}

function groupsOf(allows: readonly ClassRule[]): GroupId[] {
  const ids = new Set<GroupId>();
  for (const rule of allows) {
    for (const peer of rule.peers) if (peer.kind === 'pods') ids.add(peer.group);
    for (const port of rule.ports) if ('kind' in port && port.kind === 'named') ids.add(port.declarers);
  }
  return [...ids];
}

/**
 * Groups rules without egress port names: first merges the ports of rules with equal peers, then the peers of rules with equal ports. The rules are ORed, so
 * neither step changes what the class allows.
 */
function bucketsOf(allows: readonly ClassRule[]): readonly Bucket[] {
  const byPeers = Map.groupBy(allows, peersText);
  const buckets = new Map<string, Bucket>();
  for (const rules of byPeers.values()) {
    const ports = portSetOf(rules.flatMap((rule) => rule.ports));
    if (ports === 'any' || ports.length > 0) addPeers(bucketFor(buckets, ports), rules[0]!.peers);
  }
  for (const bucket of buckets.values()) bucket.ranges = mergeRanges(bucket.ranges);
  return [...buckets.values()];
}

function bucketFor(buckets: Map<string, Bucket>, ports: PortSet): Bucket {
  const text = portSetText(ports);
  let bucket = buckets.get(text);
  if (!bucket) {
    const single = ports === 'any' ? [] : singlePorts(ports, maxSinglePorts.ofTuples);
    buckets.set(text, (bucket = { ports, single, everyone: false, groups: new Set(), ranges: [] }));
  }
  return bucket;
}

function addPeers(bucket: Bucket, peers: readonly Peer[]): void {
  for (const peer of peers) {
    if (peer.kind === 'any') bucket.everyone = true;
    else if (peer.kind === 'pods') bucket.groups.add(peer.group);
    else for (const range of peer.ranges) bucket.ranges.push(range);
  }
}

/**
 * Resolves egress port names. Each destination pod resolves a name itself (S4.6, S4.8, S4.9). Destinations are pods that declare the name and that
 * a peer matches. Returns by address the texts of protocol and port.
 */
export function namedTuples({ allows }: ClassRules, groups: Groups): Map<string, Set<string>> {
  const tuples = new Map<string, Set<string>>();
  for (const { peers, ports } of allows) {
    for (const name of ports) {
      if (!('kind' in name) || name.kind !== 'named') continue;
      for (const [member, address] of destinationsOf(peers, name.declarers, groups)) {
        let numbers = tuples.get(address);
        if (!numbers) tuples.set(address, (numbers = new Set()));
        for (const number of resolveNamedPort(name, member.ports)) numbers.add(portRangeText(number));
      }
    }
  }
  return tuples;
}

/** The work for one name: search the peers' members among the declarers, or the other way round, whichever is cheaper. */
export function costOfName(peers: readonly Peer[], declarers: GroupId, groups: Groups): number {
  return Math.min(membersOfPeers(peers, groups), (groups.get(declarers)?.members.size ?? 0) * peers.length);
}

function membersOfPeers(peers: readonly Peer[], groups: Groups): number {
  return peers.reduce(
    (sum, peer) => sum + (peer.kind === 'pods' ? (groups.get(peer.group)?.members.size ?? 0) : Infinity),
    0,
  );
}

/** The members that declare the name and that a peer matches, with their addresses. */
function* destinationsOf(peers: readonly Peer[], declarers: GroupId, groups: Groups): Iterable<[Member, string]> {
  const all = groups.get(declarers)?.members;
  if (!all) return;
  if (membersOfPeers(peers, groups) < all.size * peers.length) {
    for (const peer of peers) {
      for (const key of (peer.kind === 'pods' && groups.get(peer.group)?.members.keys()) || []) {
        const member = all.get(key);
        for (const address of member?.addresses ?? []) yield [member!, address];
      }
    }
    return;
  }
  const matches = peerTest(peers, groups);
  for (const [key, member] of all) {
    for (const address of member.addresses) if (matches(key, address)) yield [member, address];
  }
}

/** Whether any of the peers matches the pod at the address. */
function peerTest(peers: readonly Peer[], groups: Groups): (key: PodKey, address: string) => boolean {
  if (peers.some((peer) => peer.kind === 'any')) return () => true;
  const members = peers.flatMap((peer) => (peer.kind === 'pods' ? (groups.get(peer.group)?.members ?? []) : []));
  const ranges = mergeRanges(peers.flatMap((peer) => (peer.kind === 'cidr' ? peer.ranges : [])));
  return (key, address) =>
    members.some((each) => each.has(key)) || (ranges.length > 0 && holdsAddress(ranges, parseAddress(address)!));
}
