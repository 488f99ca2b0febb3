import { aligned } from './netlink-bytes.ts';

/** A message in a datagram of the kernel. Positions are bytes of the datagram. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** Where the bytes after the header begin: the number of an error, or `struct nfgenmsg`. */
  readonly from: number;
  readonly to: number;
}

const headerLength = 16;
const attributeHeader = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const attributeTypes = 0x3fff;

/** Yields the messages that answer the request of this number. Throws if the datagram holds anything else. */
export function* messagesIn(datagram: Buffer, sequence: number): Generator<NetlinkMessage> {
  for (let start = 0; start < datagram.length;) {
    const length = datagram.length - start < headerLength ? 0 : datagram.readUInt32LE(start);
    const to = start + length;
    if (length < headerLength + 4 || to > datagram.length)
      throw new Error('the kernel sent a message that does not fit');
    if (datagram.readUInt32LE(start + 8) !== sequence) throw new Error('the kernel answered another request');
    const type = datagram.readUInt16LE(start + 4);
    yield { type, flags: datagram.readUInt16LE(start + 6), from: start + headerLength, to };
    start = aligned(to);
  }
}

/** Where the attributes of a message begin: after `struct nfgenmsg`. */
export function attributesOf({ from }: NetlinkMessage): number {
  return from + 4;
}

/**
 * Attributes are read without objects for each, as there are a million in a large table:
 * `for (let at = from; at < to; at = nextAttribute(bytes, at, to))`. The value of the attribute at `at` is from `valueOf(at)` to `attributeEnd(…)`.
 */
export function nextAttribute(bytes: Buffer, at: number, to: number): number {
  return aligned(attributeEnd(bytes, at, to));
}

export function attributeType(bytes: Buffer, at: number): number {
  return bytes.readUInt16LE(at + 2) & attributeTypes;
}

export function attributeValue(at: number): number {
  return at + attributeHeader;
}

/** Throws if the attribute does not fit in what holds it. */
export function attributeEnd(bytes: Buffer, at: number, to: number): number {
  const length = to - at < attributeHeader ? 0 : bytes.readUInt16LE(at);
  if (length < attributeHeader || at + length > to) throw new Error('the kernel sent an attribute that does not fit');
  return at + length;
}
