import { readIpv4, readIpv6, writeIpv4, writeIpv6 } from '../lib/ip-text.ts';

export type Family = 'ipv4' | 'ipv6';
export const families: readonly Family[] = ['ipv4', 'ipv6'];
export const addressBits: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** Inclusive at both ends. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

const ipv4Mapped = 0xffff_0000_0000n;

/**
 * Reads an address as the API server does (k8s.io/utils/net ParseIPSloppy): leading zeros of an octet are decimal,
 * an IPv4-mapped IPv6 address is the IPv4 address, zones are refused. Returns `undefined` if the text is no address.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) {
    const value = readIpv6(text);
    if (value === undefined) return undefined;
    return value >> 32n === 0xffffn ? { family: 'ipv4', value: value & 0xffff_ffffn } : { family: 'ipv6', value };
  }
  const value = readIpv4(text);
  return value === undefined ? undefined : { family: 'ipv4', value };
}

/** Address text as nft and inet_ntop(3) print it (RFC 5952), or `undefined`. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address.family, address.value);
}

export function familyOf(canonical: string): Family {
  return canonical.includes(':') ? 'ipv6' : 'ipv4';
}

export function formatAddress(family: Family, value: bigint): string {
  return family === 'ipv4' ? writeIpv4(value) : writeIpv6(value);
}

/**
 * Reads a CIDR as the API server does (S3.11, S3.12): host bits are masked off; an IPv4-mapped block of /96 or longer is the
 * IPv4 block, a shorter one is refused. Returns `undefined` if the text is no CIDR.
 */
export function parseCidr(text: string): AddressRange | undefined {
  const match = /^([^/]+)\/([0-9]{1,3})$/.exec(text);
  if (!match) return undefined;
  const [, addressText, prefixText] = match as unknown as [string, string, string];
  let prefix = Number(prefixText);
  let family: Family = 'ipv4';
  let value: bigint | undefined;
  if (addressText.includes(':')) {
    family = 'ipv6';
    value = readIpv6(addressText);
    if (value === undefined || prefix > 128) return undefined;
    if (value >> 32n === 0xffffn) {
      if (prefix < 96) return undefined;
      family = 'ipv4';
      prefix -= 96;
      value -= ipv4Mapped;
    }
  } else {
    value = readIpv4(addressText);
    if (value === undefined || prefix > 32) return undefined;
  }
  const hostBits = BigInt(addressBits[family] - prefix);
  const first = (value >> hostBits) << hostBits;
  return { family, first, last: first + (1n << hostBits) - 1n };
}

/** The link-local address that Linux by default assigns to an interface with this MAC (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const bytes = BigInt(`0x${mac.replaceAll(':', '')}`) ^ (2n << 40n);
  const value = (0xfe80n << 112n) | ((bytes >> 24n) << 40n) | (0xfffen << 24n) | (bytes & 0xff_ffffn);
  return formatAddress('ipv6', value);
}

/** Drops CIDRs that another CIDR of the list contains, and texts that are no CIDR. The result is canonical and ascending, IPv4 first. */
export function canonicalCidrs(texts: Iterable<string>): string[] {
  const ranges = [...texts].map(parseCidr).filter((range) => range !== undefined);
  // Of ranges with the same first address, the widest comes first.
  const ascending = ranges.sort((a, b) => compareRanges(a, b) || (a.last < b.last ? 1 : a.last > b.last ? -1 : 0));
  const kept: AddressRange[] = [];
  for (const range of ascending) {
    const previous = kept.at(-1);
    if (previous?.family !== range.family || range.last > previous.last) kept.push(range);
  }
  return kept.map(formatCidr);
}

/** The range must be one CIDR, as `parseCidr` returns it. */
export function formatCidr({ family, first, last }: AddressRange): string {
  const hostBits = (last - first).toString(2).replace(/^0$/, '').length;
  return `${formatAddress(family, first)}/${addressBits[family] - hostBits}`;
}

export function containsAddress(range: AddressRange, address: Address): boolean {
  return range.family === address.family && range.first <= address.value && address.value <= range.last;
}

/** Whether a range contains the address. `merged` must come from `mergeRanges`. */
export function holdsAddress(merged: readonly AddressRange[], { family, value }: Address): boolean {
  let [low, high] = [0, merged.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = merged[middle]!;
    const isBefore = range.family === family ? range.last < value : family === 'ipv6';
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  const range = merged[low];
  return range?.family === family && range.first <= value && value <= range.last;
}

/** The union as disjoint, ascending ranges that do not touch. One family at a time: IPv4 first. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const ascending = ranges.toSorted(compareRanges);
  const merged: AddressRange[] = [];
  for (const range of ascending) {
    const previous = merged.at(-1);
    if (previous?.family === range.family && range.first <= previous.last + 1n) {
      if (range.last > previous.last) merged[merged.length - 1] = { ...previous, last: range.last };
    } else merged.push(range);
  }
  return merged;
}

/** The parts of `range` outside of `holes`: disjoint, ascending. Holes of the other family have no effect. */
export function subtractRanges(range: AddressRange, holes: readonly AddressRange[]): AddressRange[] {
  if (holes.length === 0) return [range];
  const rest: AddressRange[] = [];
  let first = range.first;
  for (const hole of mergeRanges(holes.filter((each) => each.family === range.family))) {
    if (hole.last < first || hole.first > range.last) continue;
    if (hole.first > first) rest.push({ family: range.family, first, last: hole.first - 1n });
    first = hole.last + 1n;
  }
  if (first <= range.last) rest.push({ family: range.family, first, last: range.last });
  return rest;
}

/**
 * Cuts ranges by others: what is inside of one of them, and what is not. All are of one family, and each list is disjoint and ascending, as `mergeRanges`
 * returns it. The cost is that of both lists together, however many others there are.
 */
export function splitRanges(
  ranges: readonly AddressRange[],
  others: readonly AddressRange[],
): { readonly inside: AddressRange[]; readonly outside: AddressRange[] } {
  const [inside, outside]: [AddressRange[], AddressRange[]] = [[], []];
  let at = 0;
  for (const { family, first: start, last } of ranges) {
    let first = start;
    while (at < others.length && others[at]!.last < first) at++;
    // The last of the others that meets this range may meet the next one too.
    for (let next = at; first <= last; next++) {
      const other = others[next];
      if (!other || other.first > last) {
        outside.push({ family, first, last });
        break;
      }
      if (other.first > first) outside.push({ family, first, last: other.first - 1n });
      const [from, to] = [other.first > first ? other.first : first, other.last < last ? other.last : last];
      inside.push({ family, first: from, last: to });
      first = to + 1n;
      at = next;
    }
  }
  return { inside, outside };
}

function compareRanges(a: AddressRange, b: AddressRange): number {
  if (a.family !== b.family) return a.family === 'ipv4' ? -1 : 1;
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}
