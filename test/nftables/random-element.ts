import fc from 'fast-check';
import { readElement, writeComponent } from '../../src/nftables/component.ts';
import type { Element, KeyType } from '../../src/nftables/ruleset.ts';

/** What sets and maps are keyed by, and elements that fit. Any table may have keys of either family. */

const bits = {
  ipv4_addr: 32,
  ipv6_addr: 128,
  inet_proto: 8,
  inet_service: 16,
  iface_index: 32,
  ether_addr: 48,
} as const;

export const devices = ['0123456789abcde', 'a-b', 'a:b@c', 'br.0', 'drop', 'lo', 'veth_1'];

const addressKeys = (address: KeyType): KeyType[][] => [
  [address],
  [address, address],
  [address, 'inet_proto'],
  [address, 'inet_proto', 'inet_service'],
];
const keys: readonly (readonly KeyType[])[] = [
  ...addressKeys('ipv4_addr'),
  ...addressKeys('ipv6_addr'),
  ['inet_proto', 'inet_service'],
  ['ifname'],
  ['ifname', 'ipv4_addr'],
  ['ifname', 'ipv6_addr'],
  ['ifname', 'ether_addr'],
  ['ifname', 'ether_addr', 'ipv4_addr'],
  ['ifname', 'ether_addr', 'ipv6_addr'],
];

/** Few values, so that elements meet; the ends and powers of two, where prefixes and ranges differ. */
function value(type: keyof typeof bits): fc.Arbitrary<bigint> {
  const last = (1n << BigInt(bits[type])) - 1n;
  const some = [0n, 1n, 2n, 3n, 4n, 6n, 7n, 8n, 16n, 17n, 58n, 132n, 255n, last - 1n, last];
  const high =
    bits[type] > 16 ? [0xffff_0102_0304n & last, 0x0a00_0000n, 0x0a00_00ffn, 0x0a00_0100n, 0x7f00_0001n] : [];
  return fc.constantFrom(...some, ...high);
}

function component(type: KeyType, interval: boolean): fc.Arbitrary<string> {
  if (type === 'ifname') return fc.constantFrom(...devices);
  const single = value(type).map((first) => writeComponent(type, { first, last: first }));
  if (!interval) return single;
  const range = fc
    .tuple(value(type), value(type))
    .map(([a, b]) => writeComponent(type, a < b ? { first: a, last: b } : { first: b, last: a }));
  return fc.oneof(single, range);
}

export function element(key: readonly KeyType[], interval: boolean): fc.Arbitrary<Element> {
  return fc.tuple(...key.map((type) => component(type, interval))).map((parts) => parts.join(' . '));
}

/** Those of the elements that overlap none before them. */
export function disjoint(key: readonly KeyType[], elements: readonly Element[]): Element[] {
  const kept: Element[] = [];
  for (const each of elements) if (!kept.some((other) => overlap(key, each, other))) kept.push(each);
  return kept;
}

export function overlap(key: readonly KeyType[], a: Element, b: Element): boolean {
  const [as, bs] = [readElement(key, a)!, readElement(key, b)!];
  return as.every((interval, i) => interval.first <= bs[i]!.last && bs[i]!.first <= interval.last);
}

interface Header {
  readonly key: readonly KeyType[];
  readonly interval: boolean;
}
/** Interval sets of one component are never written (design: the kernel hands them back at every change), and none of devices. */
export const header: fc.Arbitrary<Header> = fc
  .tuple(fc.constantFrom(...keys), fc.boolean())
  .map(([key, interval]) => ({ key, interval: interval && key.length > 1 && !key.includes('ifname') }));

export const elementsOf = ({ key, interval }: Header): fc.Arbitrary<Element[]> =>
  fc.array(element(key, interval), { maxLength: 8 }).map((elements) => disjoint(key, elements));
