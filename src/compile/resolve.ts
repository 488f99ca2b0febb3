import { compareText, sorted } from '../lib/sort.ts';
import { holdsAddress, mergeRanges, parseAddress, type AddressRange, type Family } from '../model/address.ts';
import type { GroupId, Peer, PortMatch } from '../model/policy.ts';
import type { Member, PodKey } from '../model/snapshot.ts';
import { isOfNetworkPolicies, peersText, type ClassRole, type ClassRule, type ClassSpec } from './class-spec.ts';
import { chooseFairly } from './fair-choice.ts';
import { GroupList } from './group-list.ts';
import {
  groupsOfJudges,
  nameKey,
  namesOf,
  partsOf,
  walkOf,
  type DeclaredNumbers,
  type NumbersOfName,
  type Part,
} from './flatten-rules.ts';
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
import { prefixesIn } from './interval-costs.ts';
import { isWhole, type Groups, type Walk } from './walk.ts';

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
  /** Addresses that `ranges`, `holes` and `everyone` do not stand for. */
  readonly except?: GroupList;
  /** By family, in place of `ranges`: everyone but these. Fewer prefixes say the same. */
  readonly holes?: Readonly<Partial<Record<Family, readonly AddressRange[]>>>;
}

/** Everything derived from a class's rules that does not depend on group members. It is computed once per class. */
export interface ClassRules {
  readonly spec: ClassSpec;
  readonly buckets: readonly Bucket[];
  /** Ports that are open to everyone, merged, because separate entries would overlap. */
  readonly openPorts: readonly PortRange[];
  /** Ports whose lookups are complete: lookups for every port do not apply to them. */
  readonly closedPorts: readonly PortRange[];
  /** The egress port names of NetworkPolicies. */
  readonly named: readonly NamedPort[];
  /** The egress port names of ClusterNetworkPolicies: the numbers that pods declare decide which buckets there are (`withNumbers`). */
  readonly names: ReturnType<typeof namesOf>;
  /** Those of `names` under which pods declare more numbers than the node knows, as `nameKey` (S10.17). */
  readonly limited: readonly string[];
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

const noNumbers: DeclaredNumbers = new Map();

export function readClass(spec: ClassSpec, numbers = noNumbers): ClassRules {
  const isOwn = isOfNetworkPolicies(spec.role);
  const parts = isOwn ? [] : partsOf(spec, numbers);
  const buckets = isOwn ? bucketsOf(spec.rules) : parts.flatMap((part) => bucketsOfPart(spec, part));
  const openPorts = mergePorts(
    buckets.flatMap(({ everyone, except, ports }) => (everyone && !except && ports !== 'any' ? ports : [])),
  );
  const closedPorts = mergePorts(parts.flatMap(({ ports }) => (ports === 'any' ? [] : ports)));
  const groups = [...new Set(groupsOfJudges(spec.rules))];
  const named = isOwn ? namedPortsOf(spec.rules) : [];
  const [names, lookupsOfPort] = [namesOf(spec), countLookupsOfPort(buckets)];
  const limited = [...numbers].flatMap(([name, { areMore }]) => (areMore ? [name] : []));
  return { spec, buckets, openPorts, closedPorts, named, names, limited, groups, lookupsOfPort };
}

/** A class with port names of ClusterNetworkPolicies, for the numbers that pods declare now. The same object while these stay the same. */
export function withNumbers(rules: ClassRules, groups: Groups): ClassRules {
  if (rules.names.length === 0) return rules;
  const numbers = new Map(rules.names.map((name) => [nameKey(name), numbersOf(name, groups)]));
  const text = JSON.stringify([...numbers]);
  const known = numbered.get(rules);
  if (known?.text === text) return known.rules;
  const found = readClass(rules.spec, numbers);
  numbered.set(rules, { text, rules: found });
  return found;
}

const numbered = new WeakMap<ClassRules, { readonly text: string; readonly rules: ClassRules }>();

/** Each number costs every class that names it a chain. */
const mostNumbers = 64;

/** The numbers that pods declare under the name. A pod without an address receives nothing, so its numbers do not count. */
function numbersOf({ name, protocol, declarers }: ReturnType<typeof namesOf>[number], groups: Groups): NumbersOfName {
  const counts = new Map<string, Map<number, number>>();
  for (const [key, { addresses, ports }] of groups.get(declarers)?.members ?? []) {
    if (addresses.length === 0) continue;
    const namespace = key.slice(0, key.indexOf('/'));
    const own = counts.get(namespace) ?? new Map<number, number>();
    for (const { first } of resolveNamedPort({ name, protocol }, ports)) own.set(first, (own.get(first) ?? 0) + 1);
    if (own.size > 0) counts.set(namespace, own);
  }
  const { chosen, areMore } = chooseFairly(counts, mostNumbers, (one, other) => one - other);
  return { known: [...chosen].sort((one, other) => one - other), areMore };
}

/** What the ordered rules allow on the ports of a part. */
function bucketsOfPart({ role }: ClassSpec, { ports, judges }: Part): readonly Bucket[] {
  if (role === 'allowed') {
    return [judges.length === 0 ? bucketOf(ports, [{ kind: 'any' }]) : walkBucket(ports, role, walkOf(judges, false))];
  }
  return judges.some(({ action }) => action === 'Accept') ? [walkBucket(ports, role, walkOf(judges, true))] : [];
}

/** A bucket of the addresses that a walk allows. */
function walkBucket(ports: PortSet, role: ClassRole, walk: Walk): Bucket {
  const ranges = { ipv4: walk.rangesOf('ipv4').allow, ipv6: walk.rangesOf('ipv6').allow };
  const holesOf = (family: Family): Bucket['holes'] => {
    const { allow, deny } = walk.rangesOf(family);
    return deny.length > 0 && prefixesIn(deny) < prefixesIn(allow) ? { [family]: deny } : {};
  };
  const groups = walk.candidates.allow;
  const lists = groups.length > 0 ? [new GroupList(walk.groups, { walk, holds: 'allow', role })] : [];
  const isEmpty = ranges.ipv4.length + ranges.ipv6.length === 0;
  const everyone = isWhole('ipv4', ranges.ipv4) && isWhole('ipv6', ranges.ipv6);
  const except =
    isEmpty || walk.candidates.deny.length === 0
      ? undefined
      : new GroupList(walk.groups, { walk, holds: 'deny', role });
  return {
    ...{ ports, single: singleOf(ports), groups, lists: { together: lists, apart: lists } },
    ...{ everyone, ranges: everyone ? { ipv4: [], ipv6: [] } : ranges, ...(except && { except }) },
    holes: { ...holesOf('ipv4'), ...holesOf('ipv6') },
  };
}

function singleOf(ports: PortSet): readonly PortRange[] {
  return ports === 'any' ? [] : singlePorts(ports, maxSinglePorts.ofTuples);
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
    single: singleOf(ports),
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
      for (const number of resolveNamedPort(name, member.ports)) {
        if (!numbers) tuples.set(address, (numbers = new Set()));
        numbers.add(portRangeText(number));
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
function* destinationsOf(
  peers: readonly Peer[],
  declarers: GroupId,
  groups: Groups,
): Iterable<readonly [Member, string]> {
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
