import type { AttackLab, PodKey } from './attack-lab.ts';
import {
  addressBytes,
  arp,
  checksum,
  datagram,
  etherTypes,
  everyMac,
  frame,
  icmp6,
  multicastMac,
  packet,
  short,
} from '../kernel/frames.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { carriedBy, extension, fragments, icmp } from './packets.ts';
import { fairly, newPort, say } from './steps.ts';

const noMac = '00:00:00:00:00:00';

/** Frames of a pod of the bridge. */
const byFrames =
  (from: PodKey, make: (scene: Scene) => readonly Buffer[]): Attack['attempt'] =>
  async (scene) => {
    await scene.attacks.send(from, ...make(scene));
  };

function onWire(attacks: AttackLab, from: PodKey, to: string, ip: Buffer): Buffer {
  return frame(to, attacks.nic(from).mac, ip[0]! >> 4 === 4 ? etherTypes.ipv4 : etherTypes.ipv6, ip);
}

/** An option of neighbour discovery that no receiver knows, padded to its units of eight bytes. */
function option(text: string): Buffer {
  const bytes = Buffer.from(text);
  const padded = Buffer.concat([bytes, Buffer.alloc((8 - ((bytes.length + 2) % 8)) % 8)]);
  return Buffer.concat([Buffer.from([253, (padded.length + 2) / 8]), padded]);
}

function long(text: string): string {
  return text.padStart(400, '.');
}

function solicitedGroup(address: string): string {
  const bytes = addressBytes(address).toString('hex');
  return `ff02::1:ff${bytes.slice(26, 28)}:${bytes.slice(28)}`;
}

const [sender, receiver] = ['evil/caged', 'bank/shut'] as const;

/** S5.20: both pods are isolated, and this is not what policies allow between them. */
const channels: readonly Omit<Attack, 'ear' | 'honest'>[] = [
  {
    name: 'DHCPv6 by plain sockets',
    of: ['ipv6'],
    attempt: async ({ attacks, text }) => {
      await attacks.act(sender, 'plain', [
        say(546, 'ff02::1:2%eth0', 547, long(text)),
        say(546, 'ff02::1:2%eth0', 547, text),
      ]);
    },
  },
  {
    name: 'DHCP',
    of: ['ipv4'],
    attempt: byFrames(sender, ({ attacks, text }) =>
      [long(text), text].map((each) => {
        const ends = { from: '0.0.0.0', to: '255.255.255.255', sourcePort: 68, port: 67 };
        return onWire(attacks, sender, everyMac, datagram(ends, each));
      }),
    ),
  },
  {
    name: "DHCP at the receiver's MAC",
    of: ['ipv4'],
    attempt: byFrames(sender, ({ attacks, text }) => {
      const ends = { from: '0.0.0.0', to: '255.255.255.255', sourcePort: 68, port: 67 };
      return [onWire(attacks, sender, attacks.nic(receiver).mac, datagram(ends, text))];
    }),
  },
  ...([1, 2] as const).map((operation) => ({
    name: `behind an ARP ${operation === 1 ? 'question' : 'answer'}`,
    of: ['ipv4'] as const,
    attempt: byFrames(sender, ({ attacks, text }) => {
      const own: [string, string] = [attacks.nic(sender).mac, attacks.address(sender, 'ipv4')];
      const goal: [string, string] = [attacks.nic(receiver).mac, attacks.address(receiver, 'ipv4')];
      const message = arp(operation, own, operation === 1 ? [noMac, goal[1]] : goal, long(text));
      return [frame(operation === 1 ? everyMac : goal[0], own[0], etherTypes.arp, message)];
    }),
  })),
  {
    name: 'an ARP question about another',
    of: ['ipv4'],
    attempt: byFrames(sender, ({ attacks, text }) => {
      const own: [string, string] = [attacks.nic(sender).mac, attacks.address(sender, 'ipv4')];
      const message = arp(1, own, [noMac, attacks.address('bank/open', 'ipv4')], text);
      return [everyMac, attacks.nic(receiver).mac].map((mac) => frame(mac, own[0], etherTypes.arp, message));
    }),
  },
  {
    name: 'behind a neighbour solicitation',
    of: ['ipv6'],
    attempt: byFrames(sender, ({ attacks, text }) => {
      const target = attacks.address(receiver, 'ipv6');
      const body = Buffer.concat([Buffer.alloc(4), addressBytes(target), option(long(text))]);
      const [from, group] = [attacks.nic(sender).linkLocal, solicitedGroup(target)];
      return [
        onWire(attacks, sender, multicastMac(group), icmp6({ from, to: group, hopLimit: 255 }, 135, body)),
        onWire(attacks, sender, attacks.nic(receiver).mac, icmp6({ from, to: target, hopLimit: 255 }, 135, body)),
      ];
    }),
  },
  {
    name: 'behind a neighbour advertisement',
    of: ['ipv6'],
    attempt: byFrames(sender, ({ attacks, text }) => {
      const own = attacks.nic(sender);
      const to = attacks.nic(receiver).linkLocal;
      const body = Buffer.concat([Buffer.from('60000000', 'hex'), addressBytes(own.linkLocal), option(long(text))]);
      return [
        onWire(
          attacks,
          sender,
          attacks.nic(receiver).mac,
          icmp6({ from: own.linkLocal, to, hopLimit: 255 }, 136, body),
        ),
      ];
    }),
  },
  ...([130, 131, 132, 143] as const).map((type) => ({
    name: `multicast listener discovery, type ${type}`,
    of: ['ipv6'] as const,
    attempt: byFrames(sender, ({ attacks, text }) => {
      const from = attacks.nic(sender).linkLocal;
      const body = Buffer.concat([Buffer.alloc(20), Buffer.from(long(text))]);
      return ['ff02::1', 'ff02::16'].flatMap((to) =>
        [multicastMac(to), attacks.nic(receiver).mac].map((mac) =>
          onWire(attacks, sender, mac, icmp6({ from, to, hopLimit: 1 }, type, body)),
        ),
      );
    }),
  })),
  {
    name: 'IGMP',
    of: ['ipv4'],
    attempt: byFrames(sender, ({ attacks, text }) =>
      [0x11, 0x16, 0x17, 0x22].flatMap((type) => {
        const message = Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), Buffer.from(long(text))]);
        message.writeUInt16BE(checksum(message), 2);
        const head = { from: attacks.address(sender, 'ipv4'), protocol: 2, hopLimit: 1 };
        return ['224.0.0.1', '224.0.0.22'].flatMap((to) =>
          [multicastMac(to), attacks.nic(receiver).mac].map((mac) =>
            onWire(attacks, sender, mac, packet({ ...head, to }, message)),
          ),
        );
      }),
    ),
  },
  {
    name: 'a router solicitation',
    of: ['ipv6'],
    attempt: byFrames(sender, ({ attacks, text }) => {
      const from = attacks.nic(sender).linkLocal;
      const body = Buffer.concat([Buffer.alloc(4), option(text)]);
      return ['ff02::1', 'ff02::2', attacks.nic(receiver).linkLocal].flatMap((to) => {
        const macs = to.startsWith('ff') ? [multicastMac(to), attacks.nic(receiver).mac] : [attacks.nic(receiver).mac];
        return macs.map((mac) => onWire(attacks, sender, mac, icmp6({ from, to, hopLimit: 255 }, 133, body)));
      });
    }),
  },
];

export const linkChannels: readonly Attack[] = channels.map((each) => ({
  ...each,
  plugins: ['bridge'],
  ear: receiver,
  honest: fairly('evil/free', receiver),
}));

/** Of a pod that no policy selects, to one that none selects: S1.18 keeps it from being a router or an address server. */
const [pretender, believer] = ['evil/free', 'bank/open'] as const;

const sources = {
  'its link-local address': ({ attacks }: Scene) => attacks.nic(pretender).linkLocal,
  'its own address': ({ attacks }: Scene) => attacks.address(pretender, 'ipv6'),
  "the gateway's link-local address": ({ attacks }: Scene) => attacks.gateway(pretender).linkLocal,
};

/** For three seconds. */
function routerAdvertisement(scene: Scene, from: string, to: string): Buffer {
  const body = Buffer.concat([Buffer.from([64, 0]), short(3), Buffer.alloc(8), option(scene.text)]);
  return icmp6({ from, to, hopLimit: 255 }, 134, body);
}

const pretences: readonly Omit<Attack, 'ear' | 'honest'>[] = [
  ...Object.entries(sources).map(([name, source]) => ({
    name: `a router advertisement from ${name}`,
    of: ['ipv6'] as const,
    attempt: byFrames(pretender, (scene) => [
      onWire(scene.attacks, pretender, multicastMac('ff02::1'), routerAdvertisement(scene, source(scene), 'ff02::1')),
      onWire(
        scene.attacks,
        pretender,
        scene.attacks.nic(believer).mac,
        routerAdvertisement(scene, source(scene), scene.attacks.nic(believer).linkLocal),
      ),
    ]),
  })),
  ...Object.entries(sources).map(([name, source]) => ({
    name: `a redirect from ${name}`,
    of: ['ipv6'] as const,
    attempt: byFrames(pretender, (scene) => {
      const { attacks, text } = scene;
      const ends = [attacks.nic(pretender).linkLocal, attacks.address('bank/away', 'ipv6')].map(addressBytes);
      const body = Buffer.concat([Buffer.alloc(4), ...ends, option(text)]);
      const to = attacks.address(believer, 'ipv6');
      return [
        onWire(
          attacks,
          pretender,
          attacks.nic(believer).mac,
          icmp6({ from: source(scene), to, hopLimit: 255 }, 137, body),
        ),
      ];
    }),
  })),
  ...(['hop-by-hop', 'destination'] as const).map((kind) => ({
    name: `a router advertisement behind ${kind} options`,
    of: ['ipv6'] as const,
    attempt: byFrames(pretender, (scene) => {
      const from = scene.attacks.nic(pretender).linkLocal;
      const padding = extension(58, Buffer.from('010400000000', 'hex'));
      const plain = routerAdvertisement(scene, from, 'ff02::1');
      const head = { from, to: 'ff02::1', protocol: kind === 'hop-by-hop' ? 0 : 60, hopLimit: 255 };
      const ip = packet(head, Buffer.concat([padding, plain.subarray(40)]));
      return [onWire(scene.attacks, pretender, multicastMac('ff02::1'), ip)];
    }),
  })),
  {
    name: 'a router advertisement in fragments, the first of which has options alone',
    of: ['ipv6'],
    attempt: byFrames(pretender, (scene) => {
      const from = scene.attacks.nic(pretender).linkLocal;
      const plain = routerAdvertisement(scene, from, 'ff02::1').subarray(40);
      const head = { from, to: 'ff02::1', protocol: 44, hopLimit: 255 };
      const piece = (offset: number, bytes: Buffer): Buffer => {
        const more = offset === 0 ? 1 : 0;
        const fragment = Buffer.concat([Buffer.from([60, 0]), short(offset | more), Buffer.from('00c0ffee', 'hex')]);
        return onWire(
          scene.attacks,
          pretender,
          multicastMac('ff02::1'),
          packet(head, Buffer.concat([fragment, bytes])),
        );
      };
      return [piece(0, extension(58, Buffer.from('010400000000', 'hex'))), piece(8, plain)];
    }),
  },
  // Where connections are tracked, the kernel passes on none whose first fragment lacks the port.
  ...Object.entries({
    'its link-local address': [
      ({ attacks }: Scene) => attacks.nic(pretender).linkLocal,
      ({ attacks }: Scene) => attacks.nic(believer).linkLocal,
    ],
    'its own address': [
      ({ attacks }: Scene) => attacks.address(pretender, 'ipv6'),
      ({ attacks }: Scene) => attacks.address(believer, 'ipv6'),
    ],
  } as const).map(([name, [source, goal]]) => ({
    name: `an answer of a DHCPv6 server from ${name} in fragments, the first of which has options alone`,
    of: ['ipv6'] as const,
    attempt: byFrames(pretender, (scene) => {
      const ends = { from: source(scene), to: goal(scene) };
      const answer = carriedBy(datagram({ ...ends, sourcePort: 547, port: 546 }, scene.text));
      const options = extension(17, Buffer.from('010400000000', 'hex'));
      const whole = packet({ ...ends, protocol: 60, hopLimit: 64 }, Buffer.concat([options, answer]));
      return fragments(whole, [0, 8], newPort()).map((ip) =>
        onWire(scene.attacks, pretender, scene.attacks.nic(believer).mac, ip),
      );
    }),
  })),
  {
    name: 'an answer of a DHCP server in fragments',
    of: ['ipv4'],
    attempt: byFrames(pretender, ({ attacks, text }) => {
      const ends = { from: attacks.address(pretender, 'ipv4'), to: attacks.address(believer, 'ipv4') };
      const whole = datagram({ ...ends, sourcePort: 67, port: 68 }, text);
      return fragments(whole, [0, 8], newPort()).map((ip) => onWire(attacks, pretender, attacks.nic(believer).mac, ip));
    }),
  },
  {
    name: 'an answer of a DHCP server from another port',
    of: ['ipv4'],
    attempt: async ({ attacks, text }) => {
      await attacks.act(pretender, 'plain', [
        say(newPort(), '255.255.255.255', 68, text),
        say(newPort(), attacks.address(believer, 'ipv4'), 68, text),
      ]);
    },
  },
  {
    name: 'an answer of a DHCPv6 server from another port',
    of: ['ipv6'],
    attempt: async ({ attacks, text }) => {
      await attacks.act(pretender, 'plain', [say(newPort(), `${attacks.nic(believer).linkLocal}%eth0`, 546, text)]);
    },
  },
  {
    name: 'an ICMP redirect in the name of the gateway',
    of: ['ipv4'],
    attempt: byFrames(pretender, ({ attacks, text }) => {
      const ends = { from: attacks.gateway(pretender).address.ipv4, to: attacks.address(believer, 'ipv4') };
      const quoted = datagram({ from: ends.to, to: attacks.address('bank/away', 'ipv4') }, text);
      const body = Buffer.concat([addressBytes(attacks.address(pretender, 'ipv4')), quoted]);
      return [onWire(attacks, pretender, attacks.nic(believer).mac, icmp(ends, [5, 1], body))];
    }),
  },
  {
    name: 'an answer of a DHCP server',
    of: ['ipv4'],
    attempt: byFrames(pretender, ({ attacks, text }) => {
      const from = attacks.address(pretender, 'ipv4');
      const [all, one] = ['255.255.255.255', attacks.address(believer, 'ipv4')];
      return [
        onWire(attacks, pretender, everyMac, datagram({ from, to: all, sourcePort: 67, port: 68 }, text)),
        onWire(
          attacks,
          pretender,
          attacks.nic(believer).mac,
          datagram({ from, to: one, sourcePort: 67, port: 68 }, text),
        ),
      ];
    }),
  },
  {
    name: 'an answer of a DHCP server by plain sockets',
    of: ['ipv4'],
    attempt: async ({ attacks, text }) => {
      await attacks.act(pretender, 'plain', [
        say(67, '255.255.255.255', 68, text),
        say(67, attacks.address(believer, 'ipv4'), 68, text),
      ]);
    },
  },
  {
    name: 'an answer of a DHCPv6 server by plain sockets',
    of: ['ipv6'],
    attempt: async ({ attacks, text }) => {
      await attacks.act(pretender, 'plain', [
        say(547, `${attacks.nic(believer).linkLocal}%eth0`, 546, text),
        say(547, attacks.address(believer, 'ipv6'), 546, text),
      ]);
    },
  },
];

const duplicates: readonly Omit<Attack, 'ear' | 'honest'>[] = [
  {
    name: "duplicate address detection of the receiver's address",
    of: ['ipv6'],
    attempt: byFrames(pretender, ({ attacks, text }) => {
      const target = attacks.address(believer, 'ipv6');
      const body = Buffer.concat([Buffer.alloc(4), addressBytes(target), option(text)]);
      const to = solicitedGroup(target);
      return [onWire(attacks, pretender, multicastMac(to), icmp6({ from: '::', to, hopLimit: 255 }, 135, body))];
    }),
  },
  {
    name: "an ARP probe of the receiver's address",
    of: ['ipv4'],
    attempt: byFrames(pretender, ({ attacks, text }) => {
      const own = attacks.nic(pretender).mac;
      const message = arp(1, [own, '0.0.0.0'], [noMac, attacks.address(believer, 'ipv4')], text);
      return [frame(everyMac, own, etherTypes.arp, message)];
    }),
  },
];

export const duplicateAddresses: readonly Attack[] = duplicates.map((each) => ({
  ...each,
  plugins: ['bridge'],
  ear: believer,
  honest: fairly(pretender, believer),
}));

export const pretenders: readonly Attack[] = pretences.map((each) => ({
  ...each,
  plugins: ['bridge'],
  ear: believer,
  honest: async ({ attacks, family, text }) => {
    await attacks.act(pretender, 'plain', [say(newPort(), attacks.address(believer, family), 9999, text)]);
  },
}));

/** What comes of a router advertisement. */
export const believedRouters: readonly Attack[] = [
  {
    name: 'gives another pod a default route',
    plugins: ['bridge'],
    of: ['ipv6'],
    ear: believer,
    attempt: async (scene) => {
      const { attacks } = scene;
      const message = routerAdvertisement(scene, attacks.nic(pretender).linkLocal, 'ff02::1');
      await attacks.send(pretender, onWire(attacks, pretender, multicastMac('ff02::1'), message));
      return (await attacks.run(believer, 'ip', '-6', 'route', 'show', 'default')).includes('proto ra');
    },
    honest: fairly(pretender, believer),
  },
];
