import { readIpv4, readIpv6, writeIpv4, writeIpv6 } from '../lib/ip-text.ts';
import type { Element, KeyType } from './ruleset.ts';

/** The values that one component of an element covers, inclusive at both ends. */
export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

const protocolNumbers: Readonly<Record<string, bigint>> = { tcp: 6n, udp: 17n, sctp: 132n };
const protocolNames: ReadonlyMap<bigint, string> = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name]),
);

interface Notation {
  readonly bits: number;
  readonly read: (text: string) => bigint | undefined;
  readonly write: (value: bigint) => string;
  /** Writes an end of a range, if nft prints it differently from a single value. */
  readonly writeEnd?: (value: bigint) => string;
}

const notations: Readonly<Record<KeyType, Notation>> = {
  ipv4_addr: { bits: 32, read: readIpv4, write: writeIpv4 },
  ipv6_addr: { bits: 128, read: readIpv6, write: writeIpv6 },
  inet_proto: {
    bits: 8,
    read: (text) => protocolNumbers[text] ?? readNumber(text, 255n),
    write: (value) => protocolNames.get(value) ?? String(value),
    writeEnd: String,
  },
  inet_service: { bits: 16, read: (text) => readNumber(text, 65_535n), write: String },
  ifname: { bits: 128, read: readDevice, write: writeDevice },
  iface_index: { bits: 32, read: readIndex, write: String },
  ether_addr: { bits: 48, read: readMac, write: writeMac },
};

/** Reads `value`, `first-last` or `value/prefix`. Returns `undefined` for other texts. */
export function readComponent(type: KeyType, text: string): Interval | undefined {
  const { bits, read } = notations[type];
  // A device name may contain `-`.
  if (type === 'ifname') {
    const value = read(text);
    return value === undefined ? undefined : { first: value, last: value };
  }
  const slash = text.indexOf('/');
  if (slash >= 0) {
    const value = read(text.slice(0, slash));
    const prefix = readNumber(text.slice(slash + 1), BigInt(bits));
    if (value === undefined || prefix === undefined) return undefined;
    const hostBits = BigInt(bits) - prefix;
    const first = (value >> hostBits) << hostBits;
    return { first, last: first + (1n << hostBits) - 1n };
  }
  const dash = text.indexOf('-');
  const first = read(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : read(text.slice(dash + 1));
  if (first === undefined || last === undefined || first > last) return undefined;
  return { first, last };
}

/** What `recallComponent` has read, by type and text. */
const recalled = new Map<string, Interval | undefined>();
const mostRecalled = 4096;

/** Like `readComponent`, for texts that come again and again: those of rules and packets in a trace. */
export function recallComponent(type: KeyType, text: string): Interval | undefined {
  const key = `${type} ${text}`;
  const known = recalled.get(key);
  if (known || recalled.has(key)) return known;
  if (recalled.size >= mostRecalled) recalled.clear();
  const interval = readComponent(type, text);
  recalled.set(key, interval);
  return interval;
}

/** The canonical text: `value`, or `first-last` if the ends differ. Protocols have names only as single values. */
export function writeComponent(type: KeyType, { first, last }: Interval): string {
  const { write, writeEnd = write } = notations[type];
  return first === last ? write(first) : `${writeEnd(first)}-${writeEnd(last)}`;
}

/** The components of an element, or `undefined` if it does not fit the key. */
export function readElement(key: readonly KeyType[], element: Element): Interval[] | undefined {
  const texts = element.split(' . ');
  if (texts.length !== key.length) return undefined;
  const intervals: Interval[] = [];
  for (const [i, type] of key.entries()) {
    const interval = readComponent(type, texts[i]!);
    if (!interval) return undefined;
    intervals.push(interval);
  }
  return intervals;
}

/** The value in the kernel's register: 16 bytes, padded with zeros at the end. */
function readDevice(text: string): bigint | undefined {
  if (!/^[A-Za-z0-9._:@-]{1,15}$/.test(text)) return undefined;
  return BigInt(`0x${Buffer.from(text.padEnd(16, '\0')).toString('hex')}`);
}

function writeDevice(value: bigint): string {
  return Buffer.from(value.toString(16).padStart(32, '0'), 'hex').toString().replaceAll('\0', '');
}

function readMac(text: string): bigint | undefined {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text) ? BigInt(`0x${text.replaceAll(':', '')}`) : undefined;
}

function writeMac(value: bigint): string {
  return value.toString(16).padStart(12, '0').match(/../g)!.join(':');
}

function readIndex(text: string): bigint | undefined {
  return /^[0-9]{1,10}$/.test(text) && Number(text) < 2 ** 32 ? BigInt(text) : undefined;
}

function readNumber(text: string, maximum: bigint): bigint | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value > maximum ? undefined : value;
}
