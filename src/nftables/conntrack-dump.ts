import { NetlinkBytes, aligned } from './netlink-bytes.ts';
import { messageFlags, messageTypes } from './netlink-constants.ts';

/** linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h: NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW and IPCTNL_MSG_CT_GET. */
const subsystem = 1;
const typeOfEntry = subsystem << 8;
const typeOfQuestion = (subsystem << 8) | 1;

/** CTA_…, CTA_TUPLE_…, CTA_IP_…, CTA_PROTO_… */
const attributes = { original: 1, reply: 2, status: 3, id: 12 } as const;
const tupleAttributes = { addresses: 1, protocol: 2 } as const;
const addressAttributes = { source4: 1, source6: 3 } as const;
const protocolAttributes = { number: 1, sourcePort: 2 } as const;

/** IPS_SEEN_REPLY and IPS_ASSURED of nf_conntrack_common.h. */
export const trackedStatus = { answered: 2, assured: 4 } as const;

/**
 * A tracked connection. The reader uses one object for all of them, so that a dump makes no garbage. An IPv4 address is a number; an IPv6 address is a
 * text of 16 characters, one for each byte.
 */
export interface TrackedConnection {
  /** Before SNAT. */
  source: number | string;
  /** After DNAT. */
  destination: number | string;
  /** Number of the IP protocol. */
  protocol: number;
  /** The server's port after DNAT; 0 for most protocols without ports, and the key of GRE. */
  port: number;
  /** Bits of `trackedStatus`, and others. */
  status: number;
  /** A hash that stays the same while the kernel tracks the connection. */
  id: number;
}

/** The question for all connections of both families. */
export function encodeConnectionsRequest(sequence: number): Buffer {
  const bytes = new NetlinkBytes();
  const flags = messageFlags.request | messageFlags.dump;
  bytes.message({ type: typeOfQuestion, flags, sequence, family: 0, resource: 0 });
  return bytes.take();
}

/**
 * Reads a datagram of the answer, and calls back for each connection. Returns true if the answer is complete. Throws if the kernel refused the question, or
 * if the datagram is not part of this answer.
 */
export function readConnections(
  bytes: Uint8Array,
  sequence: number,
  into: TrackedConnection,
  visit: () => void,
): boolean {
  let at = 0;
  while (at + 16 <= bytes.length) {
    const length = number32(bytes, at);
    if (length < 16 || at + length > bytes.length) throw new Error('the kernel sent a truncated list of connections');
    if (number32(bytes, at + 8) !== sequence) throw new Error('the kernel answered another request for connections');
    const type = number16(bytes, at + 4);
    if (type === messageTypes.done) return true;
    if (type === messageTypes.error) {
      // `struct nlmsgerr` begins with a negative error number.
      throw new Error(`the kernel refused to list connections: error ${-(number32(bytes, at + 16) | 0)}`);
    }
    if (type === typeOfEntry && readEntry(bytes, at + 20, at + length, into)) visit();
    at += aligned(length);
  }
  return false;
}

/** Returns false for an entry without addresses. */
function readEntry(bytes: Uint8Array, start: number, end: number, into: TrackedConnection): boolean {
  [into.source, into.destination, into.protocol, into.port, into.status, into.id] = ['', '', 0, 0, 0, 0];
  for (let at = start; at + 4 <= end; at += aligned(lengthAt(bytes, at))) {
    const length = lengthAt(bytes, at);
    if (length < 4 || at + length > end) return false;
    switch (typeAt(bytes, at)) {
      case attributes.original:
        into.source = readTuple(bytes, at + 4, at + length, into);
        break;
      case attributes.reply:
        // The server answers from its address after DNAT, and from its own port.
        into.destination = readTuple(bytes, at + 4, at + length, into);
        break;
      case attributes.status:
        into.status = big32(bytes, at + 4);
        break;
      case attributes.id:
        into.id = big32(bytes, at + 4);
        break;
    }
  }
  return into.source !== '' && into.destination !== '';
}

/** Returns the source address of the tuple; sets protocol and port. The last tuple that is read counts: the reply comes after the original. */
function readTuple(bytes: Uint8Array, start: number, end: number, into: TrackedConnection): number | string {
  let source: number | string = '';
  for (let at = start; at + 4 <= end; at += aligned(lengthAt(bytes, at))) {
    const length = lengthAt(bytes, at);
    if (length < 4 || at + length > end) return '';
    const type = typeAt(bytes, at);
    if (type === tupleAttributes.addresses) {
      // The first attribute is the source.
      const family = typeAt(bytes, at + 4);
      if (family === addressAttributes.source4) source = big32(bytes, at + 8);
      else if (family === addressAttributes.source6) source = text16(bytes, at + 8);
    } else if (type === tupleAttributes.protocol) readProtocol(bytes, at + 4, at + length, into);
  }
  return source;
}

function readProtocol(bytes: Uint8Array, start: number, end: number, into: TrackedConnection): void {
  for (let at = start; at + 4 <= end; at += aligned(lengthAt(bytes, at))) {
    const length = lengthAt(bytes, at);
    if (length < 4 || at + length > end) return;
    const type = typeAt(bytes, at);
    if (type === protocolAttributes.number) into.protocol = bytes[at + 4]!;
    else if (type === protocolAttributes.sourcePort) into.port = (bytes[at + 4]! << 8) | bytes[at + 5]!;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return number16(bytes, at);
}

/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
function typeAt(bytes: Uint8Array, at: number): number {
  return number16(bytes, at + 2) & 0x3fff;
}

function number16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function number32(bytes: Uint8Array, at: number): number {
  return (number16(bytes, at) | (number16(bytes, at + 2) << 16)) >>> 0;
}

function big32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function text16(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let index = 0; index < 16; index++) text += String.fromCharCode(bytes[at + index]!);
  return text;
}
