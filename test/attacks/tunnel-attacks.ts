import { datagram, packet } from '../kernel/frames.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { framed } from './packets.ts';
import { fairly, newPort, say, tunnelled } from './steps.ts';
import { spareAddress } from './attack-lab.ts';
import type { PodKey } from './attack-lab.ts';

/**
 * S1.18. Who can hand a packet to a node's VTEP sends in the name of any pod of any other node: here of `away`, which the victim allows.
 * No capability is needed, so every address at which the node takes datagrams counts.
 */
const receiver = 'bank/shut';

type Place = readonly [
  name: string,
  address: (scene: Scene) => string,
  only?: Pick<Attack, 'of' | 'plugins' | 'futile'>,
];

const fromItsNode: readonly Place[] = [
  ["at the node's address", ({ attacks, family }) => attacks.address('node', family)],
  ["at the gateway's address", ({ attacks, family }) => attacks.gateway('evil/free').address[family]],
  [
    "at the gateway's link-local address",
    ({ attacks }) => `${attacks.gateway('evil/free').linkLocal}%eth0`,
    { of: ['ipv6'] },
  ],
  [
    "at the network card's link-local address",
    ({ attacks }) => `${attacks.nic('node').linkLocal}%eth0`,
    { of: ['ipv6'], futile: 'a link-local address is one of its link alone' },
  ],
  ['at all hosts', ({ family }) => (family === 'ipv4' ? '224.0.0.1' : 'ff02::1%eth0')],
  ['at all routers', () => 'ff02::2%eth0', { of: ['ipv6'] }],
  ['at the broadcast address', () => '255.255.255.255', { of: ['ipv4'] }],
  ["at the broadcast address of the pods' range", () => '10.244.1.255', { of: ['ipv4'], plugins: ['bridge'] }],
  ["at the first address of the pods' range", ({ family }) => (family === 'ipv4' ? '10.244.1.0' : 'fd00:10:244:1::')],
  ['at an address that the API does not know', ({ family }) => spareAddress[family]],
];

const fromAfar: readonly Place[] = [
  ["at the node's address", ({ attacks, family }) => attacks.address('node', family)],
  ["at the gateway's address", ({ attacks, family }) => attacks.gateway(receiver).address[family]],
  ["at the first address of the pods' range", ({ family }) => (family === 'ipv4' ? '10.244.1.0' : 'fd00:10:244:1::')],
  ['at an address that the API does not know', ({ family }) => spareAddress[family]],
];

const inName = (from: PodKey, [name, address, only]: Place): Attack => ({
  name: `VXLAN of ${from} in another's name, ${name}`,
  ...only,
  ear: receiver,
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    const ends = { from: attacks.address('bank/away', family), to: attacks.address(receiver, family) };
    const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
    await attacks.act(from, 'plain', [say(newPort(), address(scene), 8472, tunnelled(attacks, ip, family))]);
  },
  honest: fairly(from, receiver),
});

/** Tunnels that this kernel may not have are seen at the node's sockets. */
const protocols = (['evil/free'] as const).flatMap((from): Attack[] => {
  const toNode = (scene: Scene): { from: string; to: string } => ({
    from: scene.attacks.address(from, scene.family),
    to: scene.attacks.address('node', scene.family),
  });
  const honest: Attack['honest'] = async ({ attacks, family, text }) => {
    await attacks.act(from, 'plain', [say(newPort(), attacks.address('node', family), 7001, text)]);
  };
  return [
    ...(
      [
        ['GRE', 47],
        ['IPIP', 4],
        ['6in4', 41],
      ] as const
    ).map(([name, protocol]): Attack => ({
      name: `${name} to the node`,
      ear: 'socket',
      attempt: async (scene) => {
        const payload = Buffer.concat([Buffer.from('00000800', 'hex'), Buffer.from(scene.text)]);
        const ip = packet({ ...toNode(scene), protocol, hopLimit: 64 }, payload);
        await scene.attacks.send(from, framed(scene.attacks, from, 'node', ip));
      },
      honest,
    })),
    ...[4789, 6081].map((port): Attack => ({
      name: `a datagram to port ${port} of the node`,
      ear: 'socket',
      attempt: async ({ attacks, family, text }) => {
        await attacks.act(from, 'plain', [say(newPort(), attacks.address('node', family), port, text)]);
      },
      honest,
    })),
  ];
});

export const tunnelAttacks: readonly Attack[] = [
  ...fromItsNode.map((place) => inName('evil/free', place)),
  ...fromAfar.map((place) => inName('evil/far', place)),
  ...protocols,
];
