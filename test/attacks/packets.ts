import { checksum, etherTypes, frame, packet, pseudoHeader, short } from '../kernel/frames.ts';
import type { Actor, AttackLab, PodKey } from './attack-lab.ts';
import { isNear } from './attack-lab.ts';

export interface Ends {
  readonly from: string;
  readonly to: string;
}

export interface Segment extends Ends {
  readonly sourcePort: number;
  readonly port: number;
  readonly flags: number;
  readonly sequence?: number;
  readonly acknowledged?: number;
}

export const flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** An IP packet with a TCP segment. */
export function segment(head: Segment, text = ''): Buffer {
  const { sourcePort, port, flags, sequence = 1000, acknowledged = 0 } = head;
  const fixed = Buffer.alloc(20);
  fixed.writeUInt16BE(sourcePort, 0);
  fixed.writeUInt16BE(port, 2);
  fixed.writeUInt32BE(sequence, 4);
  fixed.writeUInt32BE(acknowledged, 8);
  fixed[12] = 5 << 4;
  fixed[13] = flags;
  fixed.writeUInt16BE(64_000, 14);
  return transport(head, 6, Buffer.concat([fixed, Buffer.from(text)]), 16);
}

/** An IP packet of a protocol whose checksum covers the addresses, as those of TCP, UDP and ICMPv6 do. */
export function transport(
  { from, to }: Ends,
  protocol: number,
  body: Buffer,
  checksumAt: number,
  hopLimit = 64,
): Buffer {
  const whole = Buffer.from(body);
  whole.writeUInt16BE(0, checksumAt);
  const sum = checksum(Buffer.concat([pseudoHeader(from, to, protocol, whole.length), whole]));
  whole.writeUInt16BE(sum || 0xffff, checksumAt);
  return packet({ from, to, protocol, hopLimit }, whole);
}

/** An ICMP or ICMPv6 message; the four bytes behind the checksum come first in the body. */
export function icmp({ from, to }: Ends, [type, code]: readonly [number, number], body: Buffer, hopLimit = 64): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), body]);
  if (from.includes(':')) return transport({ from, to }, 58, message, 2, hopLimit);
  message.writeUInt16BE(checksum(message), 2);
  return packet({ from, to, protocol: 1, hopLimit }, message);
}

/** The same bytes behind UDP, for the port of a tunnel: what a VTEP takes for a frame of its network. */
export function inVxlan(inner: Buffer, network = 1): Buffer {
  const head = Buffer.from([8, 0, 0, 0, 0, 0, network, 0]);
  return Buffer.concat([head, inner]);
}

/** An IP packet in the frame in which an honest sender would have it. */
export function framed(attacks: AttackLab, from: Actor, to: PodKey | 'node', ip: Buffer): Buffer {
  return frame(nextHop(attacks, from, to), attacks.nic(from).mac, typeOf(ip), ip);
}

function nextHop(attacks: AttackLab, from: Actor, to: PodKey | 'node'): string {
  if (from === 'neighbour') return attacks.nic('node').mac;
  if (from === 'node') throw new Error('the node sends by its sockets');
  const isOnLink = attacks.cni === 'bridge' && to !== 'node' && isNear(from) && isNear(to);
  return isOnLink ? attacks.nic(to).mac : attacks.gateway(from).mac;
}

export function typeOf(ip: Buffer): number {
  return ip[0]! >> 4 === 4 ? etherTypes.ipv4 : etherTypes.ipv6;
}

/** With an extension header in front of what it carries (RFC 8200); the body begins behind its length. */
export function extension(next: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((8 - ((body.length + 2) % 8)) % 8)]);
  return Buffer.concat([Buffer.from([next, (padded.length + 2) / 8 - 1]), padded]);
}

/** Part of what an IP header carries. Offsets count in eights of bytes. */
export interface Piece {
  readonly at: number;
  readonly bytes: Buffer;
  readonly isLast?: boolean;
}

/** The piece, behind the header of the whole packet. */
export function fragment(whole: Buffer, { at, bytes, isLast = false }: Piece, identity: number): Buffer {
  if (typeOf(whole) === etherTypes.ipv4) {
    const ip = Buffer.concat([whole.subarray(0, 20), bytes]);
    ip.writeUInt16BE(ip.length, 2);
    ip.writeUInt16BE(identity, 4);
    ip.writeUInt16BE((at / 8) | (isLast ? 0 : 0x2000), 6);
    ip.writeUInt16BE(0, 10);
    ip.writeUInt16BE(checksum(ip.subarray(0, 20)), 10);
    return ip;
  }
  const head = Buffer.concat([Buffer.from([whole[6]!, 0]), short(at | (isLast ? 0 : 1)), Buffer.alloc(4)]);
  head.writeUInt32BE(identity, 4);
  const ip = Buffer.concat([whole.subarray(0, 40), head, bytes]);
  ip.writeUInt16BE(head.length + bytes.length, 4);
  ip[6] = 44;
  return ip;
}

/** The packet in fragments that begin at these offsets. */
export function fragments(whole: Buffer, offsets: readonly number[], identity: number): Buffer[] {
  const body = carriedBy(whole);
  return offsets.map((at, index) => {
    const end = offsets[index + 1];
    return fragment(whole, { at, bytes: body.subarray(at, end), isLast: end === undefined }, identity);
  });
}

/** What stands behind the IP header. */
export function carriedBy(ip: Buffer): Buffer {
  return ip.subarray(typeOf(ip) === etherTypes.ipv4 ? 20 : 40);
}
