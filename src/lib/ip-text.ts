import { IPv6 } from 'ip-num';
import { invariant } from './assert.ts';

/**
 * Converts addresses between text and value. Reading is as lenient as Go's ParseIPSloppy; writing follows inet_ntop(3). ip-num takes ten times
 * as long, too slow for the addresses of every pod; tests compare both.
 */

const [dot, zero, nine] = ['.', '0', '9'].map((character) => character.charCodeAt(0)) as [number, number, number];

/** Reads octets with leading zeros as decimal. Returns `undefined` if the text is no IPv4 address. */
export function readIpv4(text: string): bigint | undefined {
  let value = 0;
  let octets = 0;
  /** `undefined` before its first digit. */
  let octet: number | undefined;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : dot;
    if (code === dot) {
      if (octet === undefined) return undefined;
      value = value * 256 + octet;
      octet = undefined;
      octets++;
    } else {
      if (code < zero || code > nine) return undefined;
      octet = (octet ?? 0) * 10 + code - zero;
      if (octet > 255) return undefined;
    }
  }
  return octets === 4 ? BigInt(value) : undefined;
}

/** Accepts a dotted IPv4 tail and refuses a zone. Returns `undefined` if the text is no IPv6 address. */
export function readIpv6(text: string): bigint | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const lastColon = text.lastIndexOf(':');
  let groups = text;
  if (text.includes('.')) {
    const embedded = readIpv4(text.slice(lastColon + 1));
    if (embedded === undefined) return undefined;
    groups = `${text.slice(0, lastColon + 1)}${(embedded >> 16n).toString(16)}:${(embedded & 0xffffn).toString(16)}`;
  }
  const halves = groups.split('::');
  if (halves.length > 2) return undefined;
  const count = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (count.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  if (halves.length === 2 ? count.length > 7 : count.length !== 8) return undefined;
  return text.includes('.') ? IPv6.fromString(groups).value : valueOfGroups(halves);
}

/** @param halves the texts before and after `::`, or one text with eight groups */
function valueOfGroups(halves: readonly string[]): bigint {
  const [before = [], after = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const between = '0000'.repeat(8 - before.length - after.length);
  const digits = (groups: readonly string[]): string => groups.map((group) => group.padStart(4, '0')).join('');
  return BigInt(`0x${digits(before)}${between}${digits(after)}`);
}

export function writeIpv4(value: bigint): string {
  invariant(value >= 0n && value <= 0xffff_ffffn, `${value} is no IPv4 address`);
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

export function writeIpv6(value: bigint): string {
  const groups: string[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((value >> shift) & 0xffffn).toString(16));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === '0') run++;
    if (run > length) [start, length] = [i, run];
  }
  // inet_ntop writes these two forms with a dotted tail, and nft prints what inet_ntop writes.
  const low = value & 0xffff_ffffn;
  if (value >> 32n === 0xffffn) return `::ffff:${writeIpv4(low)}`;
  if (start === 0 && length === 6) return `::${writeIpv4(low)}`;
  if (start < 0) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}
