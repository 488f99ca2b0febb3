import { datagram, etherTypes, everyMac, frame, multicastMac, packet, short, tagged } from '../kernel/frames.ts';
import { declareAttacks } from './on-each-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { flag, framed, icmp, segment, transport, typeOf } from './packets.ts';
import { newPort } from './steps.ts';

/** What never got past the policies, and must not: from a pod with raw sockets to one that gets UDP/7001 and TCP/8080 alone. */
const [sender, receiver] = ['evil/free', 'bank/shut'] as const;

type Sends = Pick<Attack, 'name' | 'of' | 'plugins' | 'futile'> & {
  readonly make: (scene: Scene) => readonly Buffer[];
};

function ends({ attacks, family }: Scene): { from: string; to: string } {
  return { from: attacks.address(sender, family), to: attacks.address(receiver, family) };
}

function denied(scene: Scene): Buffer {
  return datagram({ ...ends(scene), port: 5353 }, scene.text);
}

function allowed(scene: Scene): Buffer {
  return datagram({ ...ends(scene), port: 7001 }, scene.text);
}

/** Of any IP protocol; the text is its payload. */
const carrying = (protocol: number, head: (scene: Scene) => Buffer): Sends['make'] => {
  return (scene) => {
    const payload = Buffer.concat([head(scene), Buffer.from(scene.text)]);
    return [framed(scene.attacks, sender, receiver, packet({ ...ends(scene), protocol, hopLimit: 64 }, payload))];
  };
};

function withType(plain: Buffer, type: number, head: Buffer): Buffer {
  return Buffer.concat([plain.subarray(0, 12), short(type), head, plain.subarray(14)]);
}

function withTcp(flags: number): Sends['make'] {
  return (scene) => {
    const head = { ...ends(scene), sourcePort: newPort(), port: 80, flags };
    return [framed(scene.attacks, sender, receiver, segment(head, scene.text))];
  };
}

const tags: Sends[] = [0, 7].flatMap((vlan) =>
  (
    [
      ['802.1Q', (plain: Buffer) => tagged(plain, vlan)],
      ['802.1ad', (plain: Buffer) => withType(plain, 0x88a8, Buffer.concat([short(vlan), plain.subarray(12, 14)]))],
      ['two', (plain: Buffer) => withType(tagged(plain, vlan), 0x88a8, Buffer.from('00008100', 'hex'))],
    ] as const
  ).map(([kind, tag]): Sends => ({
    name: `a datagram tagged for VLAN ${vlan}, ${kind}`,
    plugins: ['bridge'],
    make: (scene) => [tag(framed(scene.attacks, sender, receiver, denied(scene)))],
  })),
);

const envelopes: Sends[] = [
  {
    name: 'IP in PPPoE',
    plugins: ['bridge'],
    make: (scene) => {
      const ip = denied(scene);
      const protocol = scene.family === 'ipv4' ? 0x0021 : 0x0057;
      const head = Buffer.concat([Buffer.from([0x11, 0, 0, 1]), short(ip.length + 2), short(protocol)]);
      return [withType(framed(scene.attacks, sender, receiver, ip), 0x8864, head)];
    },
  },
  {
    name: 'IP in an 802.2 frame with SNAP',
    plugins: ['bridge'],
    make: (scene) => {
      const ip = denied(scene);
      return [
        withType(
          framed(scene.attacks, sender, receiver, ip),
          ip.length + 8,
          Buffer.concat([Buffer.from('aaaa03000000', 'hex'), short(typeOf(ip))]),
        ),
      ];
    },
  },
  {
    name: 'IP in a frame of the other family',
    make: (scene) => {
      const type = scene.family === 'ipv4' ? etherTypes.ipv6 : etherTypes.ipv4;
      return [withType(framed(scene.attacks, sender, receiver, denied(scene)), type, Buffer.alloc(0))];
    },
    plugins: ['bridge'],
    futile: 'bridge netfilter drops what has no header of the family',
  },
  ...(['broadcast', 'multicast'] as const).map((kind): Sends => ({
    name: `unicast IP in a ${kind} frame`,
    plugins: ['bridge'],
    make: (scene) => {
      const ip = denied(scene);
      const mac = kind === 'broadcast' ? everyMac : multicastMac(scene.family === 'ipv4' ? '224.0.0.1' : 'ff02::1');
      return [frame(mac, scene.attacks.nic(sender).mac, typeOf(ip), ip)];
    },
  })),
];

const protocols: Sends[] = [
  { name: 'GRE', make: carrying(47, ({ family }) => Buffer.concat([short(0), short(etherTypes[family])])) },
  {
    name: 'IPIP',
    make: carrying(4, ({ attacks }) =>
      datagram({ from: attacks.address(sender, 'ipv4'), to: attacks.address(receiver, 'ipv4') }, 'inner'),
    ),
  },
  {
    name: 'IPv6 in IP',
    make: carrying(41, ({ attacks }) =>
      datagram({ from: attacks.address(sender, 'ipv6'), to: attacks.address(receiver, 'ipv6') }, 'inner'),
    ),
  },
  { name: 'ESP', make: carrying(50, () => Buffer.from('0000010000000001', 'hex')) },
  { name: 'an unknown protocol', make: carrying(253, () => Buffer.alloc(4)) },
  {
    name: 'UDP-Lite to a port that UDP is allowed on',
    make: (scene) => {
      const body = Buffer.concat([short(7001), short(7001), short(0), short(0), Buffer.from(scene.text)]);
      return [framed(scene.attacks, sender, receiver, transport(ends(scene), 136, body, 6))];
    },
  },
  {
    name: 'ICMP echo',
    make: (scene) => [
      framed(
        scene.attacks,
        sender,
        receiver,
        icmp(
          ends(scene),
          [scene.family === 'ipv4' ? 8 : 128, 0],
          Buffer.concat([short(1), short(1), Buffer.from(scene.text)]),
        ),
      ),
    ],
  },
  {
    name: 'an ICMP echo reply that answers nothing',
    make: (scene) => [
      framed(
        scene.attacks,
        sender,
        receiver,
        icmp(
          ends(scene),
          [scene.family === 'ipv4' ? 0 : 129, 0],
          Buffer.concat([short(1), short(1), Buffer.from(scene.text)]),
        ),
      ),
    ],
  },
];

const flags: Sends[] = [
  ['no flag', 0],
  ['SYN and FIN', flag.syn | flag.fin],
  ['SYN and data', flag.syn],
  ['ACK', flag.ack],
  ['FIN', flag.fin],
  ['RST', flag.rst],
  ['SYN and ACK', flag.syn | flag.ack],
  ['all flags', 0x3f],
].map(([name, bits]) => ({ name: `TCP with ${name}`, make: withTcp(bits as number) }));

/** A source that is not the sender's. */
const sources: Sends[] = (
  [
    ['of another pod', ({ attacks, family }: Scene) => attacks.address('bank/open', family)],
    ['of a pod of another node', ({ attacks, family }: Scene) => attacks.address('bank/away', family)],
    ['of the node', ({ attacks, family }: Scene) => attacks.address('node', family)],
    ['of the gateway', ({ attacks, family }: Scene) => attacks.gateway(sender).address[family]],
    ['outside', ({ family }: Scene) => (family === 'ipv4' ? '10.9.0.1' : 'fd00:9::1')],
    ['of a pod that does not exist', ({ family }: Scene) => (family === 'ipv4' ? '10.244.1.200' : 'fd00:10:244:1::c8')],
    ['of the receiver', ({ attacks, family }: Scene) => attacks.address(receiver, family)],
  ] as const
).map(([name, source]): Sends => ({
  name: `an allowed port from an address ${name}`,
  ...(name.includes('of the node') || name.includes('gateway') ? { plugins: ['bridge'] as const } : {}),
  make: (scene) => [
    framed(scene.attacks, sender, receiver, datagram({ ...ends(scene), from: source(scene), port: 7001 }, scene.text)),
  ],
}));

const all = [...tags, ...envelopes, ...protocols, ...flags, ...sources];

declareAttacks(
  'frames that hide what they carry',
  all.map(({ make, ...rest }) => ({
    ...rest,
    ear: receiver,
    attempt: async (scene: Scene) => scene.attacks.send(sender, ...make(scene)),
    honest: async (scene: Scene) => scene.attacks.send(sender, framed(scene.attacks, sender, receiver, allowed(scene))),
  })),
);
