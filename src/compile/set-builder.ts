import { contentHash } from '../lib/hash.ts';
import { formatAddress, type AddressRange, type Family } from '../model/address.ts';
import type { Element, Elements, KeyType, NftSet } from '../nftables/ruleset.ts';
import { notePrefixes, prefixesOf, prefixesOfPort } from './interval-costs.ts';
import type { ClassSpec } from './class-spec.ts';
import { familyDigit, roleName } from './names.ts';
import { portRangeText } from './port-set.ts';
import { cutOverlaps, type Rectangle } from './rectangles.ts';

export const addressType: Readonly<Record<Family, KeyType>> = { ipv4: 'ipv4_addr', ipv6: 'ipv6_addr' };

/** A set of `address . protocol . port`. Its elements change with the members of groups, so its name is a hash of the class. */
export function tuplesSet(
  family: Family,
  { textOfRules, role }: Pick<ClassSpec, 'textOfRules' | 'role'>,
  tuples: Elements,
): NftSet {
  const name = `${roleName('tuples', role)}${familyDigit[family]}-${contentHash(textOfRules)}`;
  return { name, key: [addressType[family], 'inet_proto', 'inet_service'], interval: false, elements: tuples };
}

/** An interval set of `address . protocol . port`. Its name is a hash of its elements. */
export function rectanglesSet(family: Family, rectangles: readonly Rectangle[]): NftSet {
  const elements = new Set<Element>();
  let prefixes = 0;
  for (const { range, ports } of cutOverlaps(rectangles)) {
    for (const port of ports) {
      elements.add(`${rangeText(range)} . ${portRangeText(port)}`);
      prefixes += prefixesOf(range) + prefixesOfPort(port);
    }
  }
  const key: KeyType[] = [addressType[family], 'inet_proto', 'inet_service'];
  const name = `cidrports${familyDigit[family]}-${contentHash([...elements].join('\n'))}`;
  return notePrefixes({ name, key, interval: true, elements }, prefixes);
}

/**
 * An interval set of `address . protocol` with every protocol. Its name is a hash of its elements. The protocol makes the key a concatenation: nft
 * reads back a single-key interval set at every later change of any set (K18).
 */
export function rangesSet(family: Family, ranges: readonly AddressRange[]): NftSet {
  let known = setsOfRanges.get(ranges)?.[family];
  if (!known) {
    known = buildRanges(family, ranges);
    setsOfRanges.set(ranges, { ...setsOfRanges.get(ranges), [family]: known });
  }
  return known;
}

/** The blocks of a rule are the same array in each compile, so this code hashes them once. */
const setsOfRanges = new WeakMap<readonly AddressRange[], Readonly<Partial<Record<Family, NftSet>>>>();

function buildRanges(family: Family, ranges: readonly AddressRange[]): NftSet {
  const elements = new Set(ranges.map((range) => `${rangeText(range)} . 0-255`));
  const name = `cidrs${familyDigit[family]}-${contentHash([...elements].join('\n'))}`;
  const set: NftSet = { name, key: [addressType[family], 'inet_proto'], interval: true, elements };
  return notePrefixes(
    set,
    ranges.reduce((sum, range) => sum + 1 + prefixesOf(range), 0),
  );
}

export function addressSet(name: string, family: Family, addresses: Iterable<string>): NftSet {
  return { name, key: [addressType[family]], interval: false, elements: new Set(addresses) };
}

/** A set of `source . destination` that holds each address paired with itself. */
export function pairSet(name: string, family: Family, addresses: Iterable<string>): NftSet {
  const elements = new Set<Element>();
  for (const address of addresses) elements.add(`${address} . ${address}`);
  return { name, key: [addressType[family], addressType[family]], interval: false, elements };
}

function rangeText({ family, first, last }: AddressRange): Element {
  const start = formatAddress(family, first);
  return first === last ? start : `${start}-${formatAddress(family, last)}`;
}
