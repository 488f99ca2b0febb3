import { compareText, sorted } from '../lib/sort.ts';
import { holdsAddress, mergeRanges, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { GroupId, Peer, PortMatch } from '../model/policy.ts';
import type { AddressGroup, Member, PodKey } from '../model/snapshot.ts';
import { peersText, type ClassRule, type ClassSpec } from './class-spec.ts';
import { GroupList } from './group-list.ts';
import { flattenRules } from './flatten-rules.ts';
import {
  maxSinglePorts,
  mergePorts,
  portRangeText,
  portSetOf,
  portSetText,
  resolveNamedPort,
  singlePorts,
  type PortRange,
  type PortSet,
} from './port-set.ts';

/** All peers that may use one set of ports. Later steps compare its arrays by identity. */
export interface Bucket {
  readonly ports: PortSet;
  /** Single ports, if there are few enough for tuples. */
  readonly single: readonly PortRange[];
  readonly everyone: boolean;
  /** Ascending. */
  readonly groups: readonly GroupId[];
  /** The lists of groups that have a set: all groups together, or each apart. */
  readonly lists: Readonly<Record<'together' | 'apart', readonly GroupList[]>>;
  readonly ranges: Readonly<Record<Family, readonly AddressRange[]>>;
}

/** Everything derived from a class's rules that does not depend on group members. It is computed once per class. */
export interface ClassRules {
  readonly spec: ClassSpec;
  readonly buckets: readonly Bucket[];
  /** Ports that are open to everyone, merged, because separate entries would overlap. */
  readonly openPorts: readonly PortRange[];
  /** The egress port names of its rules. */
  readonly named: readonly NamedPort[];
  /** The groups whose members decide the content of the class's sets. */
  readonly groups: readonly GroupId[];
  /** How many sets a packet of one port is looked up in at most, if each group and each list of blocks has a set of its own. */
  readonly lookupsOfPort: number;
}

/** Peers of a rule, and a port name that they may use. */
interface NamedPort {
  readonly peers: readonly Peer[];
  readonly name: Extract<PortMatch, { readonly kind: 'named' }>;
}

export type Groups = ReadonlyMap<GroupId, AddressGroup>;

export function readClass(spec: ClassSpec): ClassRules {
  const allows = flattenRules(spec.rules);
  const buckets = bucketsOf(allows);
  const openPorts = mergePorts(buckets.flatMap(({ everyone, ports }) => (everyone && ports !== 'any' ? ports : [])));
  const [groups, lookupsOfPort] = [groupsOf(allows), countLookupsOfPort(buckets)];
  return { spec, buckets, openPorts, named: namedPortsOf(allows), groups, lookupsOfPort };
}

function countLookupsOfPort(buckets: readonly Bucket[]): number {
  const changes: { readonly protocol: string; readonly port: number; readonly by: number }[] = [];
  let [count, most] = [0, 0];
  for (const { ports, groups, ranges } of buckets) {
    const by = groups.length + (ranges.ipv4.length + ranges.ipv6.length > 0 ? 1 : 0);
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

function namedPortsOf(allows: readonly ClassRule[]): NamedPort[] {
  return allows.flatMap(({ peers, ports }) =>
    ports.flatMap((name) => ('kind' in name && name.kind === 'named' ? [{ peers, name }] : [])),
  );
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
  const buckets = new Map<string, { readonly ports: PortSet; readonly peers: Peer[] }>();
  for (const rules of byPeers.values()) {
    const ports = portSetOf(rules.flatMap((rule) => rule.ports));
    if (ports !== 'any' && ports.length === 0) continue;
    const text = portSetText(ports);
    const bucket = buckets.get(text) ?? { ports, peers: [] };
    buckets.set(text, bucket);
    for (const peer of rules[0]!.peers) bucket.peers.push(peer);
  }
  return Array.from(buckets.values(), ({ ports, peers }) => bucketOf(ports, peers));
}

function bucketOf(ports: PortSet, peers: readonly Peer[]): Bucket {
  const groups = sorted(new Set(peers.flatMap((peer) => (peer.kind === 'pods' ? [peer.group] : []))));
  const ranges = mergeRanges(peers.flatMap((peer) => (peer.kind === 'cidr' ? peer.ranges : [])));
  const ofFamily = (family: Family) => ranges.filter((range) => range.family === family);
  return {
    ports,
    single: ports === 'any' ? [] : singlePorts(ports, maxSinglePorts.ofTuples),
    everyone: peers.some(({ kind }) => kind === 'any'),
    groups,
    lists: {
      together: groups.length > 0 ? [new GroupList(groups)] : [],
      apart: groups.map((id) => new GroupList([id])),
    },
    ranges: { ipv4: ofFamily('ipv4'), ipv6: ofFamily('ipv6') },
  };
}

/**
 * Resolves egress port names. Each destination pod resolves a name itself (S4.6, S4.8, S4.9). Destinations are pods that declare the name and that
 * a peer matches. Returns by address the texts of protocol and port.
 */
export function namedTuples({ named }: ClassRules, groups: Groups): Map<string, Set<string>> {
  const tuples = new Map<string, Set<string>>();
  for (const { peers, name } of named) {
    for (const [member, address] of destinationsOf(peers, name.declarers, groups)) {
      let numbers = tuples.get(address);
      if (!numbers) tuples.set(address, (numbers = new Set()));
      for (const number of resolveNamedPort(name, member.ports)) numbers.add(portRangeText(number));
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
