import type { Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Field, Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import type { Orientation } from './names.ts';

/** Where the two ends of a packet stand in its header. */
export const addressField = {
  ipv4: { source: 'ip saddr', destination: 'ip daddr' },
  ipv6: { source: 'ip6 saddr', destination: 'ip6 daddr' },
} as const satisfies Record<Family, Record<'source' | 'destination', Field>>;

export type End = 'source' | 'destination';

/** Where the pod stands that is judged in this direction. */
export function podEnd(direction: Direction, orientation: Orientation): End {
  return (direction === 'egress') === (orientation === 'original') ? 'source' : 'destination';
}

/** The device by which a packet comes from an end, or goes to it. */
export const deviceField = { source: 'iifname', destination: 'oifname' } as const satisfies Record<End, Field>;

/** The header field that holds the isolated pod itself, and the one that holds its peer. */
export function endFields(direction: Direction, family: Family, orientation: Orientation): { pod: Field; peer: Field } {
  const { source, destination } = addressField[family];
  const podSends = podEnd(direction, orientation) === 'source';
  return podSends ? { pod: source, peer: destination } : { pod: destination, peer: source };
}

/** Protocol and port of the connection's destination. */
export function portFields(orientation: Orientation): Field[] {
  return ['meta l4proto', orientation === 'original' ? 'th dport' : 'th sport'];
}

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
