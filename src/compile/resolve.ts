import { familyOf, parseAddress, containsAddress, mergeRanges, type AddressRange } from '../model/address.ts';
import type { GroupId, Peer } from '../model/policy.ts';
import type { AddressGroup } from '../model/snapshot.ts';
import type { ClassRule, ClassSpec } from './class-spec.ts';
import { portSetOf, portSetText, resolveNamedPort, type PortRange, type PortSet } from './port-set.ts';

/** Everything that may use one set of ports: rules with equal ports are merged, since a class is a union. */
export interface Bucket {
  readonly ports: PortSet;
  everyone: boolean;
  /** Ascending group ids once built. */
  readonly groups: Set<GroupId>;
  ranges: AddressRange[];
}

export interface ResolvedClass {
  readonly buckets: readonly Bucket[];
  /** From egress names, which each destination resolves for itself (S4.8): address -> ports. */
  readonly named: ReadonlyMap<string, readonly PortRange[]>;
}

export type Groups = ReadonlyMap<GroupId, AddressGroup>;

/** The groups whose members decide what the class holds. */
export function groupsOfClass(spec: ClassSpec): GroupId[] {
  const ids = new Set<GroupId>();
  for (const rule of spec.rules) {
    for (const peer of rule.peers) if (peer.kind === 'pods') ids.add(peer.group);
    for (const port of rule.ports) if ('kind' in port && port.kind === 'named') ids.add(port.declarers);
  }
  return [...ids];
}

export function resolveClass(spec: ClassSpec, groups: Groups): ResolvedClass {
  const buckets = new Map<string, Bucket>();
  const named = new Map<string, PortRange[]>();
  for (const rule of spec.rules) {
    const ports = portSetOf(rule.ports);
    if (ports === 'any' || ports.length > 0) addPeers(bucketFor(buckets, ports), rule.peers);
    addNamed(rule, groups, named);
  }
  for (const bucket of buckets.values()) bucket.ranges = mergeRanges(bucket.ranges);
  return { buckets: [...buckets.values()], named };
}

function bucketFor(buckets: Map<string, Bucket>, ports: PortSet): Bucket {
  const text = portSetText(ports);
  let bucket = buckets.get(text);
  if (!bucket) buckets.set(text, (bucket = { ports, everyone: false, groups: new Set(), ranges: [] }));
  return bucket;
}

function addPeers(bucket: Bucket, peers: readonly Peer[]): void {
  for (const peer of peers) {
    if (peer.kind === 'any') bucket.everyone = true;
    else if (peer.kind === 'pods') bucket.groups.add(peer.group);
    else bucket.ranges.push(...peer.ranges);
  }
}

/** S4.6, S4.8, S4.9: the destinations are pods that declare the name, and of those the ones that the peer matches. */
function addNamed(rule: ClassRule, groups: Groups, named: Map<string, PortRange[]>): void {
  for (const port of rule.ports) {
    if (!('kind' in port) || port.kind !== 'named') continue;
    for (const [key, member] of groups.get(port.declarers)?.members ?? []) {
      const numbers = resolveNamedPort(port, member.ports);
      for (const address of member.addresses) {
        if (!rule.peers.some((peer) => matchesPeer(peer, key, address, groups))) continue;
        named.set(address, [...(named.get(address) ?? []), ...numbers]);
      }
    }
  }
}

function matchesPeer(peer: Peer, key: string, address: string, groups: Groups): boolean {
  switch (peer.kind) {
    case 'any':
      return true;
    case 'pods':
      return groups.get(peer.group)?.members.has(key) ?? false;
    case 'cidr': {
      const family = familyOf(address);
      const parsed = parseAddress(address)!;
      return peer.ranges.some((range) => range.family === family && containsAddress(range, parsed));
    }
  }
}
