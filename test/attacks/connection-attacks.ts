import { datagram, frame } from '../kernel/frames.ts';
import { policy } from '../kernel/policies.ts';
import type { PodKey } from './attack-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { flag, framed, inVxlan, segment, typeOf } from './packets.ts';
import { fairly, newPort, say, tunnelAddress, tunnelled } from './steps.ts';
import { vteps } from '../../src/lab/vxlan.ts';

/** What connection tracking or an honest third could be made to believe. */
const receiver = 'bank/shut';

/** Ports that rules of others let answers come from. */
const sourcePorts = [53, 67, 68, 123, 546, 547, 5353, 7001].flatMap((sport): Attack[] =>
  (['evil/free', 'evil/far', 'neighbour'] as const).map((from) => ({
    name: `a datagram from port ${sport}, from ${from}`,
    ear: receiver,
    attempt: async ({ attacks, family, text }) => {
      // The fabric's own user may not bind these.
      const rights = from === 'neighbour' ? 'raw' : 'plain';
      await attacks.act(from, rights, [say(sport, attacks.address(receiver, family), 5353, text)]);
    },
    honest: fairly(from, receiver),
  })),
);

/** The victim has spoken to the attacker; only just these ports may answer. */
const nearAnswers = (
  [
    ["to the port beside the victim's", 0, 1],
    ['from the port beside its own', 1, 0],
    ['from and to the ports the other way round', undefined, undefined],
  ] as const
).flatMap(([name, own, theirs]): Attack[] =>
  (['evil/free', 'evil/far'] as const).map((from) => {
    const open = async ({ attacks, family }: Scene): Promise<readonly [number, number]> => {
      const ports = [newPort() + 20_000, newPort()] as const;
      await attacks.act(receiver, 'plain', [say(ports[0], attacks.address(from, family), ports[1], 'question')]);
      return ports;
    };
    return {
      name: `an answer ${name}, from ${from}`,
      ear: receiver,
      attempt: async (scene) => {
        const { attacks, family, text } = scene;
        const [victims, attackers] = await open(scene);
        const [sport, port] = own === undefined ? [victims, attackers] : [attackers + own, victims + theirs];
        await attacks.act(from, 'plain', [say(sport, attacks.address(receiver, family), port, text)]);
      },
      honest: async (scene) => {
        const { attacks, family, text } = scene;
        const [victims, attackers] = await open(scene);
        await attacks.act(from, 'plain', [say(attackers, attacks.address(receiver, family), victims, text)]);
      },
    };
  }),
);

/** Both open at once: only the victim's own SYN makes a connection. */
const simultaneous: Attack = {
  name: 'a SYN to a port that the victim is about to use',
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const ends = { from: attacks.address('evil/free', family), to: attacks.address(receiver, family) };
    const [sourcePort, port] = [newPort(), newPort() + 20_000];
    const forge = (flags: number): Buffer =>
      framed(attacks, 'evil/free', receiver, segment({ ...ends, sourcePort, port, flags }, text));
    await attacks.send(
      'evil/free',
      forge(flag.syn),
      forge(flag.syn | flag.ack),
      forge(flag.ack),
      forge(flag.psh | flag.ack),
    );
  },
  honest: fairly('evil/free', receiver),
};

/** The address of a local pod that the victim allows, from where that pod is not. */
const borrowed = (['bank/open', 'evil/caged'] as const).flatMap((whose): Attack[] => [
  {
    name: `an allowed port in the name of ${whose}, by the network card`,
    ear: receiver,
    attempt: async ({ attacks, family, text }) => {
      const ends = { from: attacks.address(whose, family), to: attacks.address(receiver, family) };
      const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
      await attacks.send('neighbour', frame(attacks.nic('node').mac, attacks.nic('neighbour').mac, typeOf(ip), ip));
    },
    honest: fairly('neighbour', receiver),
  },
  {
    name: `a datagram to the node in the name of ${whose}, by the network card`,
    ear: 'socket',
    attempt: async ({ attacks, family, text }) => {
      const ends = { from: attacks.address(whose, family), to: attacks.address('node', family) };
      const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
      await attacks.send('neighbour', frame(attacks.nic('node').mac, attacks.nic('neighbour').mac, typeOf(ip), ip));
    },
    honest: async ({ attacks, family, text }) => {
      await attacks.act('neighbour', 'plain', [say(newPort(), attacks.address('node', family), 7001, text)]);
    },
  },
]);

/** From a pod of another node without a capability, in the name of another pod of that node, which it cannot take otherwise. */
const borrowedFar: Attack = {
  name: "an allowed port in the name of a pod beside the attacker, by the victim's tunnel",
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const ends = { from: attacks.address('bank/away', family), to: attacks.address(receiver, family) };
    const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
    const step = say(newPort(), tunnelAddress(attacks, 'node', family), 8472, tunnelled(attacks, ip, family));
    await attacks.act('evil/far', 'plain', [step]);
  },
  honest: fairly('evil/far', receiver),
};

/** S5.1 is for the node's own sockets: its address alone proves nothing. */
const asNode = (['node', 'gateway'] as const).map((which): Attack => ({
  name: `a denied port in the name of the ${which}, by the network card`,
  of: ['ipv6'],
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const source = which === 'node' ? attacks.address('node', family) : attacks.gateway(receiver).address[family];
    const ip = datagram({ from: source, to: attacks.address(receiver, family), port: 5353 }, text);
    await attacks.send('neighbour', frame(attacks.nic('node').mac, attacks.nic('neighbour').mac, typeOf(ip), ip));
  },
  honest: fairly('neighbour', receiver),
}));

/** Two accomplices: the one of another node goes through its own node's tunnel, which then sends on what was forged. */
const accomplices: Attack = {
  name: "a reversed entry that the attacker's own node forwards to an accomplice beside the victim",
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const [victim, accomplice] = [attacks.address(receiver, family), attacks.address('evil/free', family)];
    const port = newPort();
    const forged = datagram({ from: victim, to: accomplice, sourcePort: 5353, port }, 'forged');
    const own = attacks.lab.plan.nodes[1]!;
    const vtep = vteps(own).find((each) => each.family === family)!;
    const inner = inVxlan(frame(vtep.mac, '0e:00:00:00:00:99', typeOf(forged), forged));
    await attacks.act('evil/far', 'plain', [say(newPort(), vtep.underlay, 8472, inner)]);
    await attacks.act('evil/free', 'plain', [say(port, victim, 5353, text)]);
  },
  honest: fairly('evil/free', receiver),
};

/** The outer datagram in fragments, of which only the first has the port of the tunnel. */
const inFragments = (['evil/far', 'evil/free'] as const).map((from): Attack => ({
  name: `a reversed entry by the tunnel, in fragments, from ${from}`,
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const [own, goal, port] = [attacks.address(from, family), attacks.address(receiver, family), newPort()];
    const forged = datagram({ from: goal, to: own, sourcePort: 5353, port }, 'forged');
    const outer = Buffer.concat([tunnelled(attacks, forged, family), Buffer.alloc(3000)]);
    await attacks.act(from, 'plain', [
      say(port, goal, 5353, 'opens the socket'),
      say(newPort(), tunnelAddress(attacks, 'node', family), 8472, outer),
      { do: 'hear', sport: port, ms: 200 },
      say(port, goal, 5353, text),
    ]);
  },
  honest: fairly(from, receiver),
}));

/** Groups that an unprivileged process of each pod joins: what is sent to many is judged for each. */
const groups: Attack = {
  name: 'a multicast group that both have joined',
  plugins: ['bridge'],
  ear: receiver,
  attempt: async ({ attacks, family, text }) => {
    const group = family === 'ipv4' ? '239.1.2.3' : 'ff02::1:3';
    const scope = family === 'ipv4' ? '' : '%eth0';
    await Promise.all(
      ([receiver, 'evil/free'] as readonly PodKey[]).map((each) =>
        attacks.act(each, 'plain', [
          { do: 'join', sport: 5353, group, device: 'eth0' },
          { do: 'pause', ms: 100 },
          ...(each === receiver ? [] : [say(newPort(), `${group}${scope}`, 5353, text)]),
        ]),
      ),
    );
  },
  honest: fairly('evil/free', receiver),
};

/** What answers the node is not judged (S5.1), so nobody may open a connection in its name. IPv4 takes no packet from its own address. */
const answersNode = (['node', 'gateway'] as const).map((which): Attack => ({
  name: `a pod that may send nothing answers what came in the name of the ${which}, by the network card`,
  of: ['ipv6'],
  ear: 'socket',
  attempt: async ({ attacks, family, text }) => {
    const { lab } = attacks;
    const silence = policy('evil', 'silence', { pods: { pod: 'free' }, egress: [] });
    lab.apply([silence]);
    await lab.settle();
    try {
      const node = which === 'node' ? attacks.address('node', family) : attacks.gateway('evil/free').address[family];
      const port = newPort();
      const forged = datagram(
        { from: node, to: attacks.address('evil/free', family), sourcePort: 7001, port },
        'forged',
      );
      await attacks.send(
        'neighbour',
        frame(attacks.nic('node').mac, attacks.nic('neighbour').mac, typeOf(forged), forged),
      );
      await attacks.act('evil/free', 'plain', [say(port, node, 7001, text)]);
    } finally {
      lab.store.delete('networkpolicies', { namespace: 'evil', name: 'silence' });
      await lab.settle();
    }
  },
  honest: async ({ attacks, family, text }) => {
    await attacks.act('neighbour', 'plain', [say(newPort(), attacks.address('node', family), 7001, text)]);
  },
}));

export const connectionAttacks: readonly Attack[] = [
  ...sourcePorts,
  ...nearAnswers,
  simultaneous,
  ...borrowed,
  borrowedFar,
  ...asNode,
  ...answersNode,
  accomplices,
  ...inFragments,
  groups,
];
