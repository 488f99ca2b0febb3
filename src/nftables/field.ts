import type { Field, KeyType } from './ruleset.ts';

/** What a field holds: a type that set keys have too, a number of eight bits, or a name. */
export type FieldType = KeyType | 'number' | 'state' | 'direction';

export const fieldTypes: Readonly<Record<Field, FieldType>> = {
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'meta l4proto': 'inet_proto',
  'th sport': 'inet_service',
  'th dport': 'inet_service',
  'ct state': 'state',
  'ct direction': 'direction',
  'icmp type': 'number',
  'icmpv6 type': 'number',
  'ip ttl': 'number',
  'ip6 hoplimit': 'number',
  'ip protocol': 'inet_proto',
};
