import { addressBytes, checksum, datagram, frame, multicastMac, packet, short } from '../kernel/frames.ts';
import { declareAttacks } from './on-each-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { extension, framed, typeOf } from './packets.ts';
import { newPort } from './steps.ts';

/** Headers in which a port, a source or a destination could be overlooked or mistaken. */
const [sender, receiver] = ['evil/free', 'bank/shut'] as const;

interface Trick extends Pick<Attack, 'name' | 'of' | 'plugins' | 'futile'> {
  readonly make: (scene: Scene) => readonly Buffer[];
}

const header = {
  hopByHop: 0,
  udp: 17,
  routing: 43,
  fragment: 44,
  ah: 51,
  none: 59,
  destination: 60,
  mobility: 135,
} as const;

function ends({ attacks, family }: Scene): { from: string; to: string } {
  return { from: attacks.address(sender, family), to: attacks.address(receiver, family) };
}

/** The datagram without its IP header. */
function udp(scene: Scene, port: number, text = scene.text): Buffer {
  return datagram({ ...ends(scene), port }, text).subarray(scene.family === 'ipv4' ? 20 : 40);
}

function toReceiver(scene: Scene, ip: Buffer): Buffer[] {
  return [framed(scene.attacks, sender, receiver, ip)];
}

/** An IPv6 packet whose headers follow each other as they stand here, then a datagram. */
const behind =
  (headers: readonly (readonly [number, (next: number) => Buffer])[], port = 5353): Trick['make'] =>
  (scene) => {
    let next: number = header.udp;
    let payload = udp(scene, port);
    for (const [type, make] of headers.toReversed()) {
      payload = Buffer.concat([make(next), payload]);
      next = type;
    }
    return toReceiver(scene, packet({ ...ends(scene), protocol: next, hopLimit: 64 }, payload));
  };

/** PadN of four bytes. */
const padding = (next: number): Buffer => extension(next, Buffer.from('010400000000', 'hex'));
const atomic = (next: number): Buffer => Buffer.concat([Buffer.from([next, 0, 0, 0]), Buffer.from('00001234', 'hex')]);
const route =
  (type: number, left: number, addresses: readonly Buffer[] = []) =>
  (next: number): Buffer => {
    const last = Math.max(0, addresses.length - 1);
    const fixed = type === 4 ? Buffer.from([type, left, last, 0, 0, 0]) : Buffer.from([type, left, 0, 0, 0, 0]);
    return extension(next, Buffer.concat([fixed, ...addresses]));
  };
/** Twelve bytes of AH, whose length counts in four bytes, less two (RFC 4302). */
const authentication = (next: number): Buffer =>
  Buffer.concat([Buffer.from([next, 4, 0, 0]), Buffer.from('0000010000000001', 'hex'), Buffer.alloc(12)]);

const chains: Trick[] = (
  [
    { name: 'hop-by-hop options', make: behind([[header.hopByHop, padding]]) },
    { name: 'destination options', make: behind([[header.destination, padding]]) },
    {
      name: 'six headers of options',
      make: behind([
        [header.hopByHop, padding],
        ...Array.from({ length: 5 }, () => [header.destination, padding] as const),
      ]),
    },
    { name: 'an atomic fragment', make: behind([[header.fragment, atomic]]) },
    {
      name: 'options around an atomic fragment',
      make: behind([
        [header.destination, padding],
        [header.fragment, atomic],
        [header.destination, padding],
      ]),
    },
    ...[0, 2, 3, 4].map((type): Trick => ({
      name: `a routing header of type ${type} that has been followed`,
      make: behind([[header.routing, route(type, 0, [Buffer.alloc(16)])]]),
    })),
    { name: 'an authentication header', make: behind([[header.ah, authentication]]) },
    {
      name: 'options that look like an allowed port',
      // Where the ports would be if the options were a datagram.
      make: behind([
        [
          header.destination,
          (next) => extension(next, Buffer.concat([Buffer.from('0104', 'hex'), short(7001), short(7001)])),
        ],
      ]),
    },
    {
      name: 'no next header',
      make: (scene) =>
        toReceiver(scene, packet({ ...ends(scene), protocol: header.none, hopLimit: 64 }, udp(scene, 7001))),
    },
    {
      name: 'a header of mobility',
      make: (scene) =>
        toReceiver(
          scene,
          packet(
            { ...ends(scene), protocol: header.mobility, hopLimit: 64 },
            extension(header.none, Buffer.concat([Buffer.alloc(6), Buffer.from(scene.text)])),
          ),
        ),
    },
  ] as readonly Trick[]
).map((each) => ({ ...each, name: `behind ${each.name}`, of: ['ipv6'] }));

const detours: Trick[] = [0, 4].map((type): Trick => ({
  name: `a routing header of type ${type} by way of a pod that may be reached`,
  of: ['ipv6'],
  futile: 'pods follow no routing headers',
  make: (scene) => {
    const { attacks, family } = scene;
    const [via, goal] = [attacks.address('bank/open', family), attacks.address(receiver, family)];
    const way = route(type, 1, type === 0 ? [addressBytes(goal)] : [addressBytes(goal), addressBytes(via)]);
    const payload = Buffer.concat([way(header.udp), udp(scene, 5353)]);
    return [
      framed(
        attacks,
        sender,
        'bank/open',
        packet({ from: ends(scene).from, to: via, protocol: header.routing, hopLimit: 64 }, payload),
      ),
    ];
  },
}));

/** IPv4 with options, of a length that four divides. */
function withOptions(ip: Buffer, options: Buffer): Buffer {
  const whole = Buffer.concat([ip.subarray(0, 20), options, ip.subarray(20)]);
  whole[0] = 0x40 | (5 + options.length / 4);
  whole.writeUInt16BE(whole.length, 2);
  whole.writeUInt16BE(0, 10);
  whole.writeUInt16BE(checksum(whole.subarray(0, 20 + options.length)), 10);
  return whole;
}

const options: Trick[] = [
  ...(
    [
      ['loose', 131],
      ['strict', 137],
    ] as const
  ).map(([name, type]): Trick => ({
    name: `a ${name} source route by way of a pod that may be reached`,
    of: ['ipv4'],
    futile: 'neither nodes nor pods follow source routes',
    make: (scene) => {
      const { attacks } = scene;
      const option = Buffer.concat([
        Buffer.from([type, 7, 4]),
        addressBytes(attacks.address(receiver, 'ipv4')),
        Buffer.alloc(1),
      ]);
      const via = attacks.address('bank/open', 'ipv4');
      const plain = datagram({ from: ends(scene).from, to: via, port: 5353 }, scene.text);
      return [framed(attacks, sender, 'bank/open', withOptions(plain, option))];
    },
  })),
  {
    name: 'a source route that has been followed',
    of: ['ipv4'],
    // The pointer is behind the last address. A router lets none pass.
    plugins: ['bridge'],
    make: (scene) => {
      const option = Buffer.concat([
        Buffer.from([131, 7, 8]),
        addressBytes(scene.attacks.address('bank/open', 'ipv4')),
        Buffer.alloc(1),
      ]);
      return toReceiver(scene, withOptions(datagram({ ...ends(scene), port: 5353 }, scene.text), option));
    },
  },
  {
    name: 'options that look like an allowed port',
    of: ['ipv4'],
    make: (scene) => {
      // No operation, then an experimental option (RFC 4727) of which each two bytes are the port.
      const option = Buffer.concat([Buffer.from([94, 12]), ...Array.from({ length: 5 }, () => short(7001))]);
      return toReceiver(scene, withOptions(datagram({ ...ends(scene), port: 5353 }, scene.text), option));
    },
  },
  {
    name: 'IP that is shorter than its UDP says',
    make: (scene) => {
      const plain = datagram({ ...ends(scene), port: 5353 }, scene.text);
      plain.writeUInt16BE(4000, scene.family === 'ipv4' ? 24 : 44);
      return toReceiver(scene, plain);
    },
  },
];

/** Sources and destinations that mean something else, on an allowed port. */
const sources: Trick[] = (
  [
    ['the loopback address', { ipv4: '127.0.0.1', ipv6: '::1' }],
    ['no address', { ipv4: '0.0.0.0', ipv6: '::' }],
    ['a multicast address', { ipv4: '224.0.0.1', ipv6: 'ff02::1' }],
    ['the broadcast address', { ipv4: '255.255.255.255' }],
    ["the broadcast address of the pods' range", { ipv4: '10.244.1.255' }],
    ["the first address of the pods' range", { ipv4: '10.244.1.0', ipv6: 'fd00:10:244:1::' }],
    ['an IPv4-mapped address', { ipv6: '::ffff:10.244.1.2' }],
    ['an IPv4-compatible address', { ipv6: '::10.244.1.2' }],
    ['a 6to4 address', { ipv6: '2002:af4:102::1' }],
    ['a NAT64 address', { ipv6: '64:ff9b::10.244.1.2' }],
    ['a site-local address', { ipv6: 'fec0::1' }],
  ] as readonly (readonly [string, Partial<Record<'ipv4' | 'ipv6', string>>])[]
).map(([name, addresses]): Trick => ({
  name: `an allowed port from ${name}`,
  plugins: ['bridge'],
  of: (['ipv4', 'ipv6'] as const).filter((family) => addresses[family] !== undefined),
  make: (scene) =>
    toReceiver(scene, datagram({ ...ends(scene), from: addresses[scene.family]!, port: 7001 }, scene.text)),
}));

const toMany: Trick[] = (
  [
    ['mDNS', { ipv4: '224.0.0.251', ipv6: 'ff02::fb' }],
    ['all hosts', { ipv4: '224.0.0.1', ipv6: 'ff02::1' }],
    ['a group of the site', { ipv4: '239.1.2.3', ipv6: 'ff05::1:3' }],
    ["the broadcast address of the pods' range", { ipv4: '10.244.1.255' }],
    ["the first address of the pods' range", { ipv4: '10.244.1.0', ipv6: 'fd00:10:244:1::' }],
  ] as readonly (readonly [string, Partial<Record<'ipv4' | 'ipv6', string>>])[]
).map(([name, addresses]): Trick => ({
  name: `a denied port of ${name}`,
  plugins: ['bridge'],
  of: (['ipv4', 'ipv6'] as const).filter((family) => addresses[family] !== undefined),
  make: (scene) => {
    const to = addresses[scene.family]!;
    const ip = datagram({ from: ends(scene).from, to, port: 5353 }, scene.text);
    const macs = ['ff:ff:ff:ff:ff:ff', multicastMac(to), scene.attacks.nic(receiver).mac];
    return macs.map((mac) => frame(mac, scene.attacks.nic(sender).mac, typeOf(ip), ip));
  },
}));

const toMapped: Trick = {
  name: "a denied port of the receiver's IPv4-mapped address",
  plugins: ['bridge'],
  of: ['ipv6'],
  make: (scene) => {
    const to = `::ffff:${scene.attacks.address(receiver, 'ipv4')}`;
    return [ends(scene).from, `::ffff:${scene.attacks.address(sender, 'ipv4')}`].flatMap((from) =>
      toReceiver(scene, datagram({ from, to, port: 5353 }, scene.text)),
    );
  },
};

declareAttacks(
  'headers and addresses that mean something else',
  [...chains, ...detours, ...options, ...sources, ...toMany, toMapped].map(({ make, ...rest }) => ({
    ...rest,
    ear: receiver,
    attempt: async (scene: Scene) => scene.attacks.send(sender, ...make(scene)),
    honest: async (scene: Scene) => {
      const allowed = datagram({ ...ends(scene), sourcePort: newPort(), port: 7001 }, scene.text);
      await scene.attacks.send(sender, framed(scene.attacks, sender, receiver, allowed));
    },
  })),
);
