import type { Family } from '../../src/model/address.ts';
import { datagram } from '../kernel/frames.ts';
import { policy } from '../kernel/policies.ts';
import type { PodKey } from './attack-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { framed, icmp } from './packets.ts';
import { fairly, newPort, say } from './steps.ts';

/** S5.19: an error passes only while the connection that it is about would. */
const quarantined = 'evil/free';
const quarantine = policy('evil', 'quarantine', { pods: { pod: 'free' }, ingress: [], egress: [] });

export type Kind = 'unreachable' | 'too big' | 'time exceeded' | 'parameter problem';
export const errorKinds: readonly Kind[] = ['unreachable', 'too big', 'time exceeded', 'parameter problem'];
const types: Readonly<Record<Kind, Readonly<Record<Family, readonly [type: number, code: number]>>>> = {
  unreachable: { ipv4: [3, 1], ipv6: [1, 4] },
  'too big': { ipv4: [3, 4], ipv6: [2, 0] },
  'time exceeded': { ipv4: [11, 0], ipv6: [3, 0] },
  'parameter problem': { ipv4: [12, 0], ipv6: [4, 0] },
};

interface About {
  readonly kind: Kind;
  readonly from: PodKey;
  readonly to: PodKey;
  /** Ports of the connection, at the one who sends the error and at the other. */
  readonly ports: readonly [number, number];
  /** Of the whole packet. */
  readonly length: number;
}

/** The error quotes a packet that came the other way; the text stands behind what receivers look at, where a payload would. */
function error({ attacks, family, text }: Scene, { kind, from, to, ports, length }: About): Buffer {
  const [own, other] = [attacks.address(from, family), attacks.address(to, family)];
  const heads = family === 'ipv4' ? 20 + 8 + 20 + 8 : 40 + 8 + 40 + 8;
  const quoted = datagram(
    { from: other, to: own, sourcePort: ports[1], port: ports[0] },
    text.padStart(length - heads, '.'),
  );
  const rest = kind === 'too big' ? Buffer.from('00000514', 'hex') : Buffer.alloc(4);
  return framed(attacks, from, to, icmp({ from: own, to: other }, types[kind][family], Buffer.concat([rest, quoted])));
}

/** Both ends have sent on it. */
async function talk({ attacks, family }: Scene, ends: readonly [PodKey, PodKey], ports: readonly [number, number]) {
  const [first, second] = ends.map((each) => attacks.address(each, family)) as [string, string];
  await attacks.act(ends[0], 'plain', [say(ports[0], second, ports[1], 'question')]);
  await attacks.act(ends[1], 'plain', [say(ports[1], first, ports[0], 'answer')]);
}

async function inQuarantine({ attacks: { lab }, around }: Scene, use: () => Promise<void>): Promise<void> {
  lab.apply([quarantine]);
  await lab.settle();
  try {
    await (around?.(use) ?? use());
  } finally {
    lab.store.delete('networkpolicies', { namespace: 'evil', name: 'quarantine' });
    await lab.settle();
  }
}

/** No longer than errors are: what is longer is no error to the rules. */
const length: Readonly<Record<Family, number>> = { ipv4: 560, ipv6: 960 };

export const errorLeaks = (kind: Kind): readonly Attack[] =>
  (['bank/open', 'bank/away'] as const).flatMap((peer): Attack[] => [
    {
      name: `an error (${kind}) about a connection that is denied by now, to ${peer}`,
      ear: peer,
      attempt: async (scene) => {
        const { attacks, family } = scene;
        const ports = [newPort(), newPort()] as const;
        await talk(scene, [quarantined, peer], ports);
        await inQuarantine(scene, async () => {
          // A denied packet keeps the entry alive.
          await attacks.act(quarantined, 'plain', [say(ports[0], attacks.address(peer, family), ports[1], 'denied')]);
          await attacks.send(
            quarantined,
            error(scene, { kind, from: quarantined, to: peer, ports, length: length[family] }),
          );
        });
      },
      honest: fairly('evil/caged', peer),
    },
    {
      name: `an error (${kind}) about a connection that is denied by now, from ${peer}`,
      ear: quarantined,
      attempt: async (scene) => {
        const ports = [newPort(), newPort()] as const;
        await talk(scene, [quarantined, peer], ports);
        await inQuarantine(scene, async () => {
          const about: About = {
            kind,
            from: peer,
            to: quarantined,
            ports: [ports[1], ports[0]],
            length: length[scene.family],
          };
          await scene.attacks.send(peer, error(scene, about));
        });
      },
      honest: async ({ attacks, family, text }) => {
        await attacks.act('node', 'raw', [say(newPort(), attacks.address(quarantined, family), 9999, text)]);
      },
    },
  ]);

/** The longest that a router must send: RFC 1812, 4.3.2.3; RFC 4443, 2.4(c). */
const longest: Readonly<Record<Family, number>> = { ipv4: 576, ipv6: 1280 };

export const tooLongErrors: readonly Attack[] = (['bank/open', 'bank/away'] as const).map((peer): Attack => {
  const send = async (scene: Scene, extra: number): Promise<void> => {
    const ports = [newPort(), 7001] as const;
    await talk(scene, ['evil/caged', peer], ports);
    const about = { from: 'evil/caged', to: peer, ports, length: longest[scene.family] + extra } as const;
    await scene.attacks.send('evil/caged', error(scene, { kind: 'unreachable', ...about }));
  };
  return {
    name: `an error about an allowed connection that is longer than errors are, to ${peer}`,
    ear: peer,
    attempt: (scene) => send(scene, 100),
    honest: (scene) => send(scene, 0),
  };
});

/** Who is neither end of a connection is no router either: no pod sends errors about what is not its own (S1.18, S5.19). */
export const errorsOfThird: readonly Attack[] = (['evil/caged', 'evil/far'] as const).flatMap((from) =>
  errorKinds.map((kind): Attack => ({
    name: `an error (${kind}) about a connection between an accomplice and the victim, from ${from}`,
    ear: 'bank/shut',
    attempt: async (scene) => {
      const { attacks, family, text } = scene;
      const ports = [newPort(), 7001] as const;
      await talk(scene, ['evil/free', 'bank/shut'], ports);
      const [own, victim, accomplice] = ([from, 'bank/shut', 'evil/free'] as const).map((each) =>
        attacks.address(each, family),
      ) as [string, string, string];
      const quoted = datagram(
        { from: victim, to: accomplice, sourcePort: 7001, port: ports[0] },
        text.padStart(400, '.'),
      );
      const body = Buffer.concat([kind === 'too big' ? Buffer.from('00000514', 'hex') : Buffer.alloc(4), quoted]);
      await attacks.send(
        from,
        framed(attacks, from, 'bank/shut', icmp({ from: own, to: victim }, types[kind][family], body)),
      );
    },
    honest: fairly(from, 'bank/shut'),
  })),
);

/** To the node, about its own connection to another pod. */
export const errorsToNode: readonly Attack[] = errorKinds.map((kind) => ({
  name: `an error (${kind}) about a connection of the node to another pod`,
  ear: 'socket',
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    const gateway = attacks.gateway('bank/open').address[family];
    const [own, other, port] = [attacks.address('evil/caged', family), attacks.address('bank/open', family), newPort()];
    await attacks.act('node', 'raw', [say(port, other, 9999, 'opens it')]);
    const quoted = datagram({ from: gateway, to: other, sourcePort: port, port: 9999 }, text.padStart(400, '.'));
    const body = Buffer.concat([kind === 'too big' ? Buffer.from('00000514', 'hex') : Buffer.alloc(4), quoted]);
    const ip = icmp({ from: own, to: gateway }, types[kind][family], body);
    await attacks.send('evil/caged', framed(attacks, 'evil/caged', 'node', ip));
  },
  honest: async ({ attacks, family, text }) => {
    await attacks.act('evil/caged', 'plain', [say(newPort(), attacks.address('node', family), 7001, text)]);
  },
}));
