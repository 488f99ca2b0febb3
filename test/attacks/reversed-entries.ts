import type { Actor, AttackLab } from './attack-lab.ts';
import type { Step } from './attacker.ts';
import { datagram, frame } from '../kernel/frames.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { flag, framed, segment, typeOf } from './packets.ts';
import { fairly, newPort, say, tunnelAddress, tunnelled } from './steps.ts';
import type { Tunnel } from './steps.ts';

/**
 * S1.17. What seems to come from the victim makes a connection of the victim's, and what the attacker sends is the answer to it. The
 * victim's egress is not isolated, and it gets nothing on the ports that are used here.
 */
interface Way {
  readonly name: string;
  readonly from: Actor;
  readonly rights: 'raw' | 'plain';
  /** Brings the forged packet to n1. */
  readonly forge: (scene: Scene, ip: Buffer) => Step;
}

const byUplink: Way = {
  name: 'by the network card, from a neighbour',
  from: 'neighbour',
  rights: 'raw',
  forge: ({ attacks }, ip) => ({ do: 'frame', device: 'br0', hex: uplinkFrame(attacks, ip).toString('hex') }),
};

const byTunnel = (from: Actor, tunnel: Tunnel, isCrossed = false): Way => ({
  name: `by the tunnel${isCrossed ? ' of the other family' : ''} at the ${tunnel}'s address, from ${from} without a capability`,
  from,
  rights: 'plain',
  forge: ({ attacks, family }, ip) => {
    const outer = isCrossed ? (family === 'ipv4' ? 'ipv6' : 'ipv4') : family;
    return say(newPort(), tunnelAddress(attacks, tunnel, outer), 8472, tunnelled(attacks, ip, outer));
  },
});

const ways: readonly Way[] = [
  byUplink,
  byTunnel('neighbour', 'node'),
  byTunnel('evil/far', 'node'),
  byTunnel('evil/far', 'node', true),
  byTunnel('evil/far', 'gateway'),
  byTunnel('evil/far', 'vtep'),
  byTunnel('evil/free', 'node'),
  byTunnel('evil/free', 'gateway'),
];

function uplinkFrame(attacks: AttackLab, ip: Buffer): Buffer {
  return frame(attacks.nic('node').mac, attacks.nic('neighbour').mac, typeOf(ip), ip);
}

const overUdp = ({ name, from, rights, forge }: Way): Attack => ({
  name: `an answer over UDP to what the victim never asked, ${name}`,
  ear: 'bank/shut',
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    const [own, goal, port] = [attacks.address(from, family), attacks.address('bank/shut', family), newPort()];
    const forged = datagram({ from: goal, to: own, sourcePort: 5353, port }, 'forged');
    await attacks.act(from, rights, [
      say(port, goal, 5353, 'opens the socket'),
      forge(scene, forged),
      { do: 'hear', sport: port, ms: 300 },
      say(port, goal, 5353, text),
    ]);
  },
  honest: fairly(from, 'bank/shut'),
});

/** The attacker's own kernel would answer the forged SYN: it hears it no better than that of one who is many hops away. */
const overTcp = ({ name, from, rights, forge }: Way): Attack => ({
  name: `a connection over TCP that the victim seems to open, ${name}`,
  ear: 'bank/shut',
  attempt: async (scene) => {
    const { attacks, family } = scene;
    const [own, goal, port] = [attacks.address(from, family), attacks.address('bank/shut', family), newPort()];
    const forged = segment({ from: goal, to: own, sourcePort: 80, port, flags: flag.syn });
    const seen = await attacks.act(from, rights, [
      { do: 'connect', sport: port, to: goal, port: 80 },
      forge(scene, forged),
      { do: 'listen', sport: port, ms: 300 },
      // The kernel sends its SYN again after a second. Where the attack succeeds, a busy machine may take longer.
      { do: 'greeting', sport: port, ms: attacks.isEnforced ? 2500 : 20_000 },
    ]);
    return seen.at(-1) === 'bank/shut';
  },
  honest: fairly(from, 'bank/shut'),
});

/** Row by row a packet from the victim to itself, which no policy keeps from it. */
const toItself = ({ name, from, rights, forge }: Way): Attack => ({
  name: `a packet from the victim to itself, ${name}`,
  ear: 'bank/shut',
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    const goal = attacks.address('bank/shut', family);
    await attacks.act(from, rights, [forge(scene, datagram({ from: goal, to: goal, port: 5353 }, text))]);
  },
  honest: fairly(from, 'bank/shut'),
});

export const reversedEntries: readonly Attack[] = [
  ...ways.map(overUdp),
  ...[byUplink, byTunnel('evil/far', 'node')].map(overTcp),
  ...ways.map(toItself),
  {
    name: 'an answer to what the victim never asked, from a pod of its node with raw sockets',
    ear: 'bank/shut',
    attempt: async ({ attacks, family, text }) => {
      const [own, goal] = [attacks.address('evil/free', family), attacks.address('bank/shut', family)];
      const [sourcePort, port] = [5353, newPort()];
      const forged = datagram({ from: goal, to: own, sourcePort, port }, 'forged');
      await attacks.send(
        'evil/free',
        frame(attacks.gateway('evil/free').mac, attacks.nic('evil/free').mac, typeOf(forged), forged),
        framed(
          attacks,
          'evil/free',
          'bank/shut',
          datagram({ from: own, to: goal, sourcePort: port, port: 5353 }, text),
        ),
      );
    },
    honest: fairly('evil/free', 'bank/shut'),
  },
];
