import type { AttackLab } from './attack-lab.ts';
import { newToken } from '../kernel/ear.ts';
import { eventually } from '../kernel/eventually.ts';
import { addressBytes, arp, datagram, etherTypes, everyMac, frame, icmp6 } from '../kernel/frames.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { fairly, hex, newPort, say } from './steps.ts';

/** S1.18: only the owner of an address gets what the node sends there. The attacker may send and get next to nothing. */
const [attacker, victim] = ['evil/caged', 'bank/open'] as const;

interface Trick {
  readonly name: string;
  readonly of?: Attack['of'];
  readonly frames: (scene: Pick<Scene, 'attacks' | 'family'>) => readonly Buffer[];
  /** Prepares the attack, and takes that back. */
  readonly around?: (attacks: AttackLab, use: () => Promise<boolean | void>) => Promise<boolean | void>;
}

const tricks: readonly Trick[] = [
  {
    name: "a neighbour advertisement of the victim's address",
    of: ['ipv6'],
    frames: ({ attacks }) =>
      [attacks.nic(attacker).linkLocal, attacks.address(attacker, 'ipv6')].flatMap((from) => [
        advertisement(attacks, from, attacks.gateway(attacker).linkLocal, attacks.gateway(attacker).mac, 0x60),
        advertisement(attacks, from, 'ff02::1', '33:33:00:00:00:01', 0x20),
      ]),
  },
  {
    name: "an ARP reply with the victim's address",
    of: ['ipv4'],
    frames: ({ attacks }) => {
      const [own, gateway] = [attacks.nic(attacker).mac, attacks.gateway(attacker)];
      const address = attacks.address(victim, 'ipv4');
      return [
        frame(gateway.mac, own, etherTypes.arp, arp(2, [own, address], [gateway.mac, gateway.address.ipv4], '')),
        frame(everyMac, own, etherTypes.arp, arp(1, [own, address], ['00:00:00:00:00:00', address], '')),
      ];
    },
  },
  {
    name: "a datagram of its own from the victim's MAC",
    frames: ({ attacks, family }) => [honestly(attacks, family, attacks.nic(victim).mac)],
  },
  {
    name: "an ARP question of its own from the victim's MAC",
    of: ['ipv4'],
    frames: ({ attacks }) => {
      const [own, gateway] = [attacks.address(attacker, 'ipv4'), attacks.gateway(attacker).address.ipv4];
      const asked = arp(1, [attacks.nic(attacker).mac, own], ['00:00:00:00:00:00', gateway], '');
      return [frame(everyMac, attacks.nic(victim).mac, etherTypes.arp, asked)];
    },
  },
];

/** Pods with one MAC: a datagram and a question of the attacker's own show the bridge the victim's MAC at the attacker's port. */
const twins: readonly Trick[] = [
  {
    name: "the victim's MAC at its device",
    frames: ({ attacks, family }) => [honestly(attacks, family, attacks.nic(victim).mac)],
    around: withMacOfVictim,
  },
  {
    name: "the victim's MAC at its device, as the container runtime has noted it",
    frames: ({ attacks, family }) => [honestly(attacks, family, attacks.nic(victim).mac)],
    around: withRecordOfMac,
  },
];

function advertisement(attacks: AttackLab, from: string, to: string, mac: string, flags: number): Buffer {
  const own = attacks.nic(attacker).mac;
  const option = Buffer.concat([Buffer.from([2, 1]), Buffer.from(own.replaceAll(':', ''), 'hex')]);
  const body = Buffer.concat([Buffer.from([flags, 0, 0, 0]), addressBytes(attacks.address(victim, 'ipv6')), option]);
  return frame(mac, own, etherTypes.ipv6, icmp6({ from, to, hopLimit: 255 }, 136, body));
}

/** What policies allow it to send. */
function honestly(attacks: AttackLab, family: 'ipv4' | 'ipv6', source: string): Buffer {
  const ends = { from: attacks.address(attacker, family), to: attacks.gateway(attacker).address[family] };
  return frame(attacks.gateway(attacker).mac, source, etherTypes[family], datagram(ends, 'honest'));
}

/** What an attacker with NET_ADMIN does. */
async function withMacOfVictim(attacks: AttackLab, use: () => Promise<boolean | void>): Promise<boolean | void> {
  const change = (mac: string): Promise<string> => attacks.run(attacker, 'ip', 'link', 'set', 'eth0', 'address', mac);
  await change(attacks.nic(victim).mac);
  try {
    return await use();
  } finally {
    await change(attacks.nic(attacker).mac);
    // Without agents they have learned that the attacker is where the victim is.
    for (const each of ['evil/free', victim, attacker] as const)
      await attacks.run(each, 'ip', 'neighbour', 'flush', 'dev', 'eth0');
    await attacks.run('node', 'ip', 'neighbour', 'flush', 'dev', 'cni0');
  }
}

/** As of a plugin that lets the users of pods choose: it has given both pods one MAC, and its record says so. */
async function withRecordOfMac(attacks: AttackLab, use: () => Promise<boolean | void>): Promise<boolean | void> {
  const [own, other] = [attacks.nic(attacker).mac, attacks.nic(victim).mac];
  await changeRecord(attacks, own, other);
  try {
    return await withMacOfVictim(attacks, use);
  } finally {
    await changeRecord(attacks, other, own);
  }
}

async function changeRecord(attacks: AttackLab, from: string, to: string): Promise<void> {
  await attacks.editRecord(attacker, (text) => text.replaceAll(from, to));
  if (!attacks.isEnforced) return;
  await eventually(async () => {
    const macs = await attacks.run('node', 'nft', 'list', 'set', 'bridge', 'postern', 'port-macs');
    const isThere = macs.includes(attacks.nic(attacker).mac);
    return isThere === (to === attacks.nic(attacker).mac) ? undefined : macs;
  });
}

/** The node knows its neighbours, and the bridge which port is whose. */
async function meet({ attacks, family }: Scene): Promise<void> {
  await attacks.run('node', 'ip', 'neighbour', 'flush', 'dev', 'cni0');
  const words = [attacker, victim] as const;
  await attacks.act('node', 'raw', [
    ...words.map((each) => say(newPort(), attacks.address(each, family), 9999, 'who is it?')),
    { do: 'pause', ms: 100 },
  ]);
}

const reads = ({ name, of, frames, around = (_, use) => use() }: Trick): Attack => ({
  name: `reads a datagram of the node to another pod by ${name}`,
  plugins: ['bridge'],
  ...(of && { of }),
  ear: attacker,
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    await around(attacks, async () => {
      for (let round = 0; round < 4 && !attacks.heard(attacker, text.slice(1, -1)); round++) {
        await meet(scene);
        await attacks.send(attacker, ...frames(scene));
        await attacks.act('node', 'raw', [say(newPort(), attacks.address(victim, family), 9999, text)]);
      }
    });
  },
  honest: fairly('evil/free', attacker),
});

const takes = ({ name, of, frames, around = (_, use) => use() }: Trick): Attack => ({
  name: `takes a datagram of the node away from another pod by ${name}`,
  plugins: ['bridge'],
  ...(of && { of }),
  ear: victim,
  attempt: async (scene) => {
    const { attacks, family } = scene;
    await attacks.listen(attacker);
    return around(attacks, async () => {
      // The victim speaks now and then, and is found again: so some rounds.
      for (let round = 0; round < 3; round++) {
        // Not the text: the victim should hear this.
        const token = newToken();
        await meet(scene);
        await attacks.send(attacker, ...frames(scene));
        await attacks.act('node', 'raw', [say(newPort(), attacks.address(victim, family), 9999, `<${token}>`)]);
        const heard = (): boolean => attacks.heard(victim, token);
        await eventually(async () => (heard() || attacks.heard(attacker, token) ? undefined : 'nobody')).catch(
          () => {},
        );
        if (!heard()) return true;
      }
      return false;
    });
  },
  honest: async (scene) => {
    // What the victim sends shows the bridge again where it is.
    await scene.attacks.run(victim, 'ip', 'neighbour', 'flush', 'dev', 'eth0');
    await fairly(victim, 'evil/free')(scene);
    await fairly('evil/free', victim)(scene);
  },
});

/** As a kubelet's: the node speaks on, while the attacker tries again and again. */
const readsStream = ({ name, of, frames }: Trick): Attack => ({
  name: `reads a TCP connection of the node to another pod by ${name}`,
  plugins: ['bridge'],
  ...(of && { of }),
  ear: attacker,
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    await meet(scene);
    const sport = newPort();
    const speaking = { isOver: false };
    const speech = attacks
      .act('node', 'raw', [
        { do: 'connect', sport, to: attacks.address(victim, family), port: 80 },
        { do: 'listen', sport, ms: 0 },
        { do: 'greeting', sport, ms: 10_000 },
        { do: 'pause', ms: 1500 },
        ...Array.from({ length: 12 }).flatMap(() => [
          { do: 'pause', ms: 200 },
          { do: 'tell', sport, hex: hex(text) },
        ]),
      ])
      .finally(() => (speaking.isOver = true));
    const burst = frames(scene).flatMap((each) => [
      { do: 'frame', device: 'eth0', hex: each.toString('hex') },
      { do: 'pause', ms: 5 },
    ]);
    await eventually(async () => {
      const standing = await attacks.run('node', 'ss', '-tnH', 'state', 'established', `sport = :${sport}`);
      return standing === '' && !speaking.isOver ? 'there is no connection' : undefined;
    });
    while (!speaking.isOver) await attacks.act(attacker, 'raw', Array.from({ length: 20 }, () => burst).flat());
    await speech;
  },
  honest: fairly('evil/free', attacker),
});

/** No policy knows a link-local address; it has an owner all the same. */
const readsLinkLocal: Attack = {
  name: "reads a datagram of the node to another pod's link-local address by a neighbour advertisement",
  plugins: ['bridge'],
  of: ['ipv6'],
  ear: attacker,
  attempt: async ({ attacks, text }) => {
    const [own, gateway, goal] = [attacks.nic(attacker), attacks.gateway(attacker), attacks.nic(victim).linkLocal];
    const option = Buffer.concat([Buffer.from([2, 1]), Buffer.from(own.mac.replaceAll(':', ''), 'hex')]);
    const body = Buffer.concat([Buffer.from('60000000', 'hex'), addressBytes(goal), option]);
    const message = icmp6({ from: own.linkLocal, to: gateway.linkLocal, hopLimit: 255 }, 136, body);
    for (let round = 0; round < 4 && !attacks.heard(attacker, text.slice(1, -1)); round++) {
      await attacks.act('node', 'raw', [
        ...[goal, own.linkLocal].map((each) => say(newPort(), `${each}%cni0`, 9999, 'who is it?')),
        { do: 'pause', ms: 100 },
      ]);
      await attacks.send(attacker, frame(gateway.mac, own.mac, etherTypes.ipv6, message));
      await attacks.act('node', 'raw', [say(newPort(), `${goal}%cni0`, 9999, text)]);
    }
  },
  honest: fairly('evil/free', attacker),
};

/** Where the bridge does not know a MAC, it sends the frame by all its ports. */
const readsFlood: Attack = {
  name: 'reads a datagram of the node to another pod, as the bridge has forgotten where that pod is',
  plugins: ['bridge'],
  ear: attacker,
  attempt: async (scene) => {
    const { attacks, family, text } = scene;
    for (let round = 0; round < 4 && !attacks.heard(attacker, text.slice(1, -1)); round++) {
      await meet(scene);
      await attacks.run('node', 'ip', 'link', 'set', 'cni0', 'type', 'bridge', 'fdb_flush');
      await attacks.act('node', 'raw', [say(newPort(), attacks.address(victim, family), 9999, text)]);
    }
  },
  honest: fairly('evil/free', attacker),
};

export const overheard: readonly Attack[] = [
  readsLinkLocal,
  readsFlood,
  ...[...tricks, ...twins].map(reads),
  ...tricks.filter(({ name }) => name.includes('MAC') || name.includes('advertisement')).map(readsStream),
  // Where the container runtime itself names one MAC for two pods, frames may get lost (SECURITY.md).
  ...[...tricks, twins[0]!].map(takes),
];
