import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Field, Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import type { CtDirection, Reading } from './names.ts';

/** Where the two ends of a packet stand in its header. */
export const addressField = {
  ipv4: { source: 'ip saddr', destination: 'ip daddr' },
  ipv6: { source: 'ip6 saddr', destination: 'ip6 daddr' },
} as const satisfies Record<Family, Record<'source' | 'destination', Field>>;

export type End = 'source' | 'destination';

/** Where the pod stands that is judged in this direction. */
export function podEnd(direction: Direction, ctDirection: CtDirection): End {
  return (direction === 'egress') === (ctDirection === 'original') ? 'source' : 'destination';
}

/** The device by which a packet comes from an end, or goes to it. */
export const deviceField = { source: 'iifname', destination: 'oifname' } as const satisfies Record<End, Field>;

/** Who opened the connection of a packet, and whom it reached after DNAT. */
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

/** The fields, together, are in the set. */
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

/** Drops what matches, and counts it. */
export function dropRule(...matches: Match[]): NftRule {
  return { matches, counter: true, verdict: { kind: 'drop' } };
}
