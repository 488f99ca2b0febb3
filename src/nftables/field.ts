import type { Field, KeyType } from './ruleset.ts';

/** The type of a field's value: a type of set keys, an 8-bit number, or a name. */
export type FieldType = KeyType | 'number' | NamedType | 'kind';

/** Types with few named values, which `nft -n` prints as numbers. */
export type NamedType = 'state' | 'direction' | 'ether type' | 'packet type' | 'device type';

export const fieldTypes: Readonly<Record<Field, FieldType>> = {
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'meta l4proto': 'inet_proto',
  'th sport': 'inet_service',
  'th dport': 'inet_service',
  'udp sport': 'inet_service',
  'udp dport': 'inet_service',
  'tcp sport': 'inet_service',
  'tcp dport': 'inet_service',
  'ct state': 'state',
  'ct direction': 'direction',
  'icmp type': 'number',
  'icmpv6 type': 'number',
  'icmpv6 taddr': 'ipv6_addr',
  'ip ttl': 'number',
  'ip6 hoplimit': 'number',
  'ip protocol': 'inet_proto',
  iifname: 'ifname',
  oifname: 'ifname',
  oif: 'iface_index',
  'meta iifkind': 'kind',
  'meta oifkind': 'kind',
  'meta iiftype': 'device type',
  'meta oiftype': 'device type',
  'meta pkttype': 'packet type',
  'arp saddr ip': 'ipv4_addr',
  'arp daddr ip': 'ipv4_addr',
  'ether saddr': 'ether_addr',
  'ether type': 'ether type',
  'ct original ip saddr': 'ipv4_addr',
  'ct original ip6 saddr': 'ipv6_addr',
  'ct reply ip saddr': 'ipv4_addr',
  'ct reply ip6 saddr': 'ipv6_addr',
  'ct protocol': 'inet_proto',
  'ct reply proto-src': 'inet_service',
};

const namedValues: Readonly<Record<NamedType, Readonly<Record<string, number>>>> = {
  state: { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  direction: { original: 0, reply: 1 },
  'ether type': { arp: 0x0806, ip: 0x0800, ip6: 0x86dd, vlan: 0x8100 },
  // ARPHRD_ETHER and ARPHRD_LOOPBACK.
  'device type': { ether: 1, loopback: 772 },
  'packet type': { host: 0, broadcast: 1, multicast: 2, other: 3 },
};

export function isNamedType(type: FieldType): type is NamedType {
  return Object.hasOwn(namedValues, type);
}

export function isNameOf(type: NamedType, name: string): boolean {
  return Object.hasOwn(namedValues[type], name);
}

/** nft 1.1.3 prints Ethernet types in network byte order, read as a host integer: 8 for 0x0800 on a little-endian machine. */
export function nameOfNumber(type: NamedType, number: number): string | undefined {
  const swapped = ((number & 0xff) << 8) | (number >> 8);
  const entries = Object.entries(namedValues[type]);
  const find = (value: number): string | undefined => entries.find(([, each]) => each === value)?.[0];
  return find(number) ?? (type === 'ether type' ? find(swapped) : undefined);
}

/** A valid value of `meta iifkind`: the name of a kernel driver. */
export function isKind(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,15}$/.test(text);
}
