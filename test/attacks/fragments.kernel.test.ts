import { datagram, packet } from '../kernel/frames.ts';
import { declareAttacks } from './on-each-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { carriedBy, extension, flag, fragment, fragments, framed, segment } from './packets.ts';
import { newPort } from './steps.ts';

/** Fragments in which a port could be overlooked, or changed after it was judged (RFC 1858, RFC 3128, RFC 5722, RFC 7112). */
const [sender, receiver] = ['evil/free', 'bank/shut'] as const;

interface Trick extends Pick<Attack, 'name' | 'of'> {
  /** IP packets, in the order in which they are sent. */
  readonly make: (scene: Scene) => readonly Buffer[];
}

function ends({ attacks, family }: Scene): { from: string; to: string } {
  return { from: attacks.address(sender, family), to: attacks.address(receiver, family) };
}

/** With the text behind the first 40 bytes of payload. */
function toPort(scene: Scene, port: number): Buffer {
  return datagram({ ...ends(scene), port }, `${'.'.repeat(40)}${scene.text}`);
}

const missing: readonly Trick[] = [
  {
    name: 'a datagram to a denied port, in fragments',
    make: (scene) => fragments(toPort(scene, 5353), [0, 16, 32], newPort()),
  },
  {
    name: 'a datagram to a denied port, in fragments from the last to the first',
    make: (scene) => fragments(toPort(scene, 5353), [0, 16, 32], newPort()).toReversed(),
  },
  {
    name: 'later fragments without the first',
    make: (scene) => fragments(toPort(scene, 7001), [0, 16, 32], newPort()).slice(1),
  },
  {
    name: 'a SYN to a denied port, its flags in the second fragment',
    make: (scene) => {
      const head = { ...ends(scene), sourcePort: newPort(), port: 80, flags: flag.syn };
      return fragments(segment(head, scene.text), [0, 8, 16], newPort());
    },
  },
  {
    name: 'a datagram to a denied port, the first fragment with options alone',
    of: ['ipv6'],
    make: (scene) => fragments(behindOptions(scene), [0, 8], newPort()),
  },
  {
    // The kernel takes it for no fragment to wait for, and no rule can read a protocol in it.
    name: 'a first fragment with options alone, which have the text',
    of: ['ipv6'],
    make: (scene) => {
      const options = extension(17, Buffer.from(`\x1e\x16${scene.text.padEnd(22, '.')}`));
      const whole = packet({ ...ends(scene), protocol: 60, hopLimit: 64 }, Buffer.concat([options, Buffer.alloc(24)]));
      return fragments(whole, [0, options.length], newPort()).slice(0, 1);
    },
  },
  {
    name: 'a datagram to a denied port, a fragment in fragments',
    of: ['ipv6'],
    make: (scene) => {
      const body = carriedBy(datagram({ ...ends(scene), port: 5353 }, scene.text));
      const inner = Buffer.concat([Buffer.from('1100000000000007', 'hex'), body]);
      return fragments(packet({ ...ends(scene), protocol: 44, hopLimit: 64 }, inner), [0, 16], newPort());
    },
  },
];

function behindOptions(scene: Scene): Buffer {
  const body = carriedBy(datagram({ ...ends(scene), port: 5353 }, scene.text));
  const options = extension(17, Buffer.from('010400000000', 'hex'));
  return packet({ ...ends(scene), protocol: 60, hopLimit: 64 }, Buffer.concat([options, body]));
}

/** An honest datagram of two fragments of 40 and 24 bytes, and one more that has a denied port in the place of the allowed one. It alone has the text. */
const overlaps = (
  [
    ['as long as the first, behind it', 40, ([first, last], other) => [first, other, last]],
    ['as long as the first, in front of it', 40, ([first, last], other) => [other, first, last]],
    ['as long as the first, behind both', 40, ([first, last], other) => [first, last, other]],
    ['as long as the first, behind the last', 40, ([first, last], other) => [last, other, first]],
    ['longer than the first, behind it', 48, ([first, last], other) => [first, other, last]],
    ['longer than the first, in front of it', 48, ([first, last], other) => [other, first, last]],
    ['longer than both, between them', 80, ([first, last], other) => [first, other, last]],
  ] as readonly (readonly [
    name: string,
    length: number,
    order: (honest: readonly [Buffer, Buffer], other: Buffer) => readonly Buffer[],
  ])[]
).map(([name, length, order]): Trick => ({
  name: `a fragment that changes the port to a denied one, ${name}`,
  make: (scene) => {
    const identity = newPort();
    const honest = datagram({ ...ends(scene), port: 7001 }, '.'.repeat(56));
    const body = carriedBy(datagram({ ...ends(scene), port: 5353 }, scene.text.padEnd(72, '.')));
    const other = fragment(honest, { at: 0, bytes: body.subarray(0, length) }, identity);
    return order(fragments(honest, [0, 40], identity) as [Buffer, Buffer], other);
  },
}));

const amidst: Trick = {
  name: 'an atomic fragment with a denied port amidst others of its number',
  of: ['ipv6'],
  make: (scene) => {
    const identity = newPort();
    const [first, last] = fragments(datagram({ ...ends(scene), port: 7001 }, '.'.repeat(40)), [0, 24], identity);
    const denied = datagram({ ...ends(scene), port: 5353 }, scene.text);
    return [first!, fragment(denied, { at: 0, bytes: carriedBy(denied), isLast: true }, identity), last!];
  },
};

declareAttacks(
  'fragments',
  [...missing, ...overlaps, amidst].map(({ make, ...rest }) => ({
    ...rest,
    ear: receiver,
    attempt: async (scene: Scene) => {
      await scene.attacks.send(sender, ...make(scene).map((ip) => framed(scene.attacks, sender, receiver, ip)));
    },
    // In fragments too, so that these do reach the ear.
    honest: async (scene: Scene) => {
      const allowed = fragments(toPort(scene, 7001), [0, 16, 32], newPort());
      await scene.attacks.send(sender, ...allowed.map((ip) => framed(scene.attacks, sender, receiver, ip)));
    },
  })),
);
