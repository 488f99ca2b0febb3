import { IPv4, IPv6 } from 'ip-num';

/** Text and value of addresses. Reading is as lenient as Go's ParseIPSloppy; writing is as inet_ntop(3). */

/** Leading zeros of an octet are decimal. `undefined` if the text is no IPv4 address. */
export function readIpv4(text: string): bigint | undefined {
  if (!/^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/.test(text)) return undefined;
  const octets = text.split('.').map((octet) => octet.replace(/^0+(?=[0-9])/, ''));
  if (octets.some((octet) => Number(octet) > 255)) return undefined;
  return IPv4.fromString(octets.join('.')).value;
}

/** A dotted tail is read; a zone is refused. `undefined` if the text is no IPv6 address. */
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
  return IPv6.fromString(groups).value;
}

export function writeIpv4(value: bigint): string {
  return IPv4.fromNumber(value).toString();
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
