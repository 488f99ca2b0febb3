import type { Family } from '../../src/model/address.ts';
import { vteps } from '../../src/lab/vxlan.ts';
import { frame } from '../kernel/frames.ts';
import type { Actor, AttackLab, PodKey } from './attack-lab.ts';
import type { Step } from './attacker.ts';
import { inVxlan, typeOf } from './packets.ts';
import type { Scene } from './on-each-lab.ts';

let lastPort = 20_000;

/** A port that no attack had before, so that each meets connection tracking anew. */
export function newPort(): number {
  return ++lastPort;
}

export function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

/** A datagram by a plain socket. */
export function say(sport: number, to: string, port: number, text: string | Buffer): Step {
  return { do: 'udp', sport, to, port, hex: typeof text === 'string' ? hex(text) : text.toString('hex') };
}

/** What `shut` and `caged` allow to anyone. */
export function fairly(from: Actor, to: PodKey): (scene: Scene) => Promise<void> {
  return async ({ attacks, family, text }) => {
    await attacks.act(from, 'plain', [say(newPort(), attacks.address(to, family), 7001, text)]);
  };
}

export type Tunnel = 'node' | 'gateway' | 'vtep';

/** Addresses of n1 at which its VTEP takes datagrams. */
export function tunnelAddress(attacks: AttackLab, tunnel: Tunnel, family: Family): string {
  if (tunnel === 'node') return attacks.address('node', family);
  if (tunnel === 'gateway') return attacks.gateway('bank/shut').address[family];
  return vtepOf(attacks, family).address;
}

/** The IP packet as another node's VTEP would send it to n1. */
export function tunnelled(attacks: AttackLab, ip: Buffer, outer: Family): Buffer {
  return inVxlan(frame(vtepOf(attacks, outer).mac, '0e:00:00:00:00:99', typeOf(ip), ip));
}

function vtepOf(attacks: AttackLab, family: Family): ReturnType<typeof vteps>[number] {
  return vteps(attacks.lab.plan.nodes[0]!).find((each) => each.family === family)!;
}
