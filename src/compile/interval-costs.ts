import { addressBits, type AddressRange, type Family } from '../model/address.ts';
import type { NftSet, VerdictMap } from '../nftables/ruleset.ts';
import type { PortRange } from './port-set.ts';

/** The number of prefixes of each set, if its builder has counted them (`notePrefixes`). */
const prefixes = new WeakMap<NftSet | VerdictMap, number>();

export function notePrefixes(set: NftSet, count: number): NftSet {
  prefixes.set(set, count);
  return set;
}

/** A CIDR is one prefix. Any other range has at most two prefixes per address bit, typically half of that; this returns one per bit. */
export function prefixesOf({ family, first, last }: AddressRange): number {
  const size = last - first + 1n;
  return (size & (size - 1n)) === 0n && (first & (size - 1n)) === 0n ? 1 : addressBits[family];
}

export function prefixesIn(ranges: readonly AddressRange[]): number {
  return ranges.reduce((sum, range) => sum + prefixesOf(range), 0);
}

const portBits = 16;

export function prefixesOfPort({ first, last }: PortRange): number {
  return first === last ? 1 : portBits;
}

/** In units of `budgets.ts`. */
export function costOfIntervals(set: NftSet | VerdictMap): number {
  const count = prefixes.get(set) ?? set.elements.size * portBits;
  return 5 * set.elements.size + costOfPrefixes(count, set.key[0] === 'ipv6_addr' ? 'ipv6' : 'ipv4');
}

/**
 * The kernel stores each field of an interval as prefixes, and copies the whole table for every 64 new ones. So the cost of a set grows with the
 * square of its prefixes (net/netfilter/nft_set_pipapo.c, pipapo_expand and pipapo_resize; K21). Measured: 200,000 prefixes of IPv4 take 0.8 s. Those
 * of IPv6 have four times as many bits.
 */
export function costOfPrefixes(count: number, family: Family): number {
  return count + ((addressBits[family] / addressBits.ipv4) * count ** 2) / 100_000;
}
