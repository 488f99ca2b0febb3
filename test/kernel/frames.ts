import { parseAddress } from '../../src/model/address.ts';

/** Frames as a pod with raw sockets can write them. Addresses of the Ethernet are `02:…` text. */
export const everyMac = 'ff:ff:ff:ff:ff:ff';
export const etherTypes = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, experimental: 0x88b5 } as const;

export interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly sourcePort?: number;
  readonly port?: number;
  readonly hopLimit?: number;
}

/** Padded to what the wire wants. */
export function frame(to: string, from: string, type: number, payload: Buffer): Buffer {
  const bytes = Buffer.concat([macBytes(to), macBytes(from), short(type), payload]);
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, 60 - bytes.length))]);
}

/** The same with a VLAN tag; one for VLAN 0 says nothing but a priority, and whoever gets it reads on. */
export function tagged(plain: Buffer, vlan: number): Buffer {
  return Buffer.concat([plain.subarray(0, 12), short(etherTypes.vlan), short(vlan), plain.subarray(12)]);
}

/** An IP packet with a UDP datagram, of the family of its destination. */
export function datagram({ from, to, sourcePort = 7001, port = 7001, hopLimit = 64 }: Datagram, text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.concat([short(sourcePort), short(port), short(8 + payload.length), short(0)]);
  const udp = Buffer.concat([head, payload]);
  udp.writeUInt16BE(checksum(Buffer.concat([pseudoHeader(from, to, 17, udp.length), udp])) || 0xffff, 6);
  return packet({ from, to, protocol: 17, hopLimit }, udp);
}

/** An ICMPv6 message; of link control, with options behind it. */
export function icmp6(head: { from: string; to: string; hopLimit: number }, type: number, body: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), body]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudoHeader(head.from, head.to, 58, message.length), message])), 2);
  return packet({ ...head, protocol: 58 }, message);
}

/** The text is behind it, where receivers do not look. */
export function arp(
  operation: 1 | 2,
  sender: [mac: string, address: string],
  target: [string, string],
  text: string,
): Buffer {
  const fixed = Buffer.concat([short(1), short(etherTypes.ipv4), Buffer.from([6, 4]), short(operation)]);
  const pairs = [sender, target].flatMap(([mac, address]) => [macBytes(mac), addressBytes(address)]);
  return Buffer.concat([fixed, ...pairs, Buffer.from(text)]);
}

export interface PacketHead {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly hopLimit: number;
}

export function packet({ from, to, protocol, hopLimit }: PacketHead, payload: Buffer): Buffer {
  const ends = Buffer.concat([addressBytes(from), addressBytes(to)]);
  if (ends.length === 32) {
    const head = Buffer.from([0x60, 0, 0, 0, payload.length >> 8, payload.length & 255, protocol, hopLimit]);
    return Buffer.concat([head, ends, payload]);
  }
  const length = 20 + payload.length;
  const head = Buffer.from([0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, hopLimit, protocol, 0, 0]);
  const header = Buffer.concat([head, ends]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** RFC 1112 and RFC 2464. */
export function multicastMac(address: string): string {
  const bytes = addressBytes(address);
  const last =
    bytes.length === 4 ? [1, 0, 0x5e, bytes[1]! & 127, bytes[2]!, bytes[3]!] : [0x33, 0x33, ...bytes.subarray(12)];
  return last.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export function short(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function addressBytes(text: string): Buffer {
  // Elsewhere it means the IPv4 address; on the wire it is one of IPv6.
  const [, mapped] = /^::ffff:([0-9.]+)$/.exec(text) ?? [];
  if (mapped !== undefined) return Buffer.concat([Buffer.alloc(10), Buffer.from('ffff', 'hex'), addressBytes(mapped)]);
  const { family, value } = parseAddress(text)!;
  return Buffer.from(value.toString(16).padStart(family === 'ipv4' ? 8 : 32, '0'), 'hex');
}

export function pseudoHeader(from: string, to: string, protocol: number, length: number): Buffer {
  const ends = Buffer.concat([addressBytes(from), addressBytes(to)]);
  if (ends.length === 8) return Buffer.concat([ends, Buffer.from([0, protocol]), short(length)]);
  return Buffer.concat([ends, short(0), short(length), Buffer.from([0, 0, 0, protocol])]);
}

/** RFC 1071. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
