import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Field, Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import type { CtDirection, Reading } from './names.ts';

/** The header fields of a packet's two ends. */
export const addressField = {
  ipv4: { source: 'ip saddr', destination: 'ip daddr' },
  ipv6: { source: 'ip6 saddr', destination: 'ip6 daddr' },
} as const satisfies Record<Family, Record<'source' | 'destination', Field>>;

export type End = 'source' | 'destination';

/** The end of the packet that is the isolated pod. */
export function podEnd(direction: Direction, ctDirection: CtDirection): End {
  return (direction === 'egress') === (ctDirection === 'original') ? 'source' : 'destination';
}

/** The device that a packet arrives on from its source, or leaves by to its destination. */
export const deviceField = { source: 'iifname', destination: 'oifname' } as const satisfies Record<End, Field>;

/** The client of the packet's connection, and its server after DNAT. */
const connectionField = {
  ipv4: { source: 'ct original ip saddr', destination: 'ct reply ip saddr' },
  ipv6: { source: 'ct original ip6 saddr', destination: 'ct reply ip6 saddr' },
} as const satisfies Record<Family, Record<End, Field>>;

/** The field that holds the isolated pod itself, and the one that holds its peer. */
export function endFields(direction: Direction, family: Family, reading: Reading): { pod: Field; peer: Field } {
  const { source, destination } = (reading === 'error' ? connectionField : addressField)[family];
  const podSends = podEnd(direction, reading === 'error' ? 'original' : reading) === 'source';
  return podSends ? { pod: source, peer: destination } : { pod: destination, peer: source };
}

/** Protocol and port of the connection's destination. */
export function portFields(reading: Reading): Field[] {
  return [...protocolAndPort[reading]];
}

const protocolAndPort: Readonly<Record<Reading, readonly [protocol: Field, port: Field]>> = {
  original: ['meta l4proto', 'th dport'],
  reply: ['meta l4proto', 'th sport'],
  error: ['ct protocol', 'ct reply proto-src'],
};

export function compare(field: Field, op: '==' | '!=', ...values: string[]): Match {
  return { kind: 'compare', field, op, values };
}

/** The concatenated fields are in the set. */
export function isIn(set: string, ...key: Field[]): Match {
  return { kind: 'lookup', key, set };
}

export function isNotIn(set: string, ...key: Field[]): Match {
  return { kind: 'lookup', op: '!=', key, set };
}

export function goTo(chain: string): Verdict {
  return { kind: 'goto', chain };
}

export function jumpTo(chain: string): Verdict {
  return { kind: 'jump', chain };
}

export function dropRule(...matches: Match[]): NftRule {
  return { matches, counter: true, verdict: { kind: 'drop' } };
}
