import { checksum, etherTypes, frame, packet, pseudoHeader } from '../kernel/frames.ts';
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
