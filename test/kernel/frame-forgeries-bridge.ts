import { allHosts, between, ofOther, outside, toMany } from './frame-makers.ts';
import type { Forgery, Scene } from './frame-makers.ts';
import { arp, etherTypes, everyMac, frame, icmp6, short, tagged } from './frames.ts';

/** Between ports of one bridge. On a routed link there is nobody who could hear it. */
export const bridgeForgeries: readonly Forgery[] = (
  [
    {
      name: 'link-local to a neighbour, of a pod with isolated egress',
      of: ['ipv6'],
      from: 'caged',
      to: 'victim',
      forge: between('caged', 'victim', ({ frames }) => ({
        source: frames.nic('caged').linkLocal,
        target: frames.nic('victim').linkLocal,
      })),
      right: between('caged', 'victim'),
    },
    {
      name: 'link-local to a neighbour with isolated ingress',
      of: ['ipv6'],
      from: 'free',
      to: 'shut',
      forge: between('free', 'shut', ({ frames }) => ({
        source: frames.nic('free').linkLocal,
        target: frames.nic('shut').linkLocal,
      })),
      right: between('free', 'shut'),
    },
    {
      name: 'link-local to all on the link, of a pod with isolated egress',
      of: ['ipv6'],
      from: 'caged',
      to: 'victim',
      forge: toMany('caged', 'multicast', ({ frames }) => ({ source: frames.nic('caged').linkLocal })),
      right: between('caged', 'victim'),
    },
    {
      name: 'neighbour solicitation that may have come by a router, of a pod with isolated egress',
      of: ['ipv6'],
      from: 'caged',
      to: 'victim',
      forge: ({ frames, text }) => {
        const [own, goal] = [frames.nic('caged'), frames.nic('victim')];
        const head = { from: own.linkLocal, to: goal.linkLocal, hopLimit: 254 };
        return frame(goal.mac, own.mac, etherTypes.ipv6, icmp6(head, 135, Buffer.from(text)));
      },
      right: between('caged', 'victim'),
    },
    {
      name: 'a multicast address at the MAC of a neighbour with isolated ingress',
      from: 'free',
      to: 'shut',
      forge: between('free', 'shut', ({ family }) => ({ target: allHosts[family], port: 7009 })),
      right: between('free', 'shut'),
    },
    ...(['multicast', 'broadcast'] as const).map((kind): Forgery => ({
      name: `${kind} that a neighbour with isolated ingress does not allow`,
      of: kind === 'multicast' ? ['ipv4', 'ipv6'] : ['ipv4'],
      from: 'free',
      to: 'shut',
      forge: toMany('free', kind, () => ({ port: 7009 })),
      right: toMany('free', kind),
    })),
    ...[5, 0].map((tag): Forgery => ({
      name: `a frame tagged for VLAN ${tag}`,
      from: 'free',
      to: 'victim',
      forge: (scene) => tagged(between('free', 'victim')(scene), tag),
      right: between('free', 'victim'),
    })),
    {
      name: 'a frame of another protocol',
      of: ['ipv4'],
      from: 'free',
      to: 'victim',
      forge: ({ frames, text }) =>
        frame(frames.nic('victim').mac, frames.nic('free').mac, etherTypes.experimental, Buffer.from(text)),
      right: between('free', 'victim'),
    },
    {
      name: 'IP in an 802.3 frame',
      from: 'free',
      to: 'victim',
      forge: (scene) => {
        const plain = between('free', 'victim')(scene);
        // The length in place of the type, then LLC and SNAP (RFC 1042).
        const payload = Buffer.concat([Buffer.from('aaaa03000000', 'hex'), plain.subarray(12)]);
        return Buffer.concat([plain.subarray(0, 12), short(payload.length), payload]);
      },
      right: between('free', 'victim'),
    },
    ...([1, 2] as const).map((operation): Forgery => ({
      name: `ARP that ${operation === 1 ? 'asks' : 'answers'} in another pod's name`,
      of: ['ipv4'],
      from: 'free',
      to: 'victim',
      forge: (scene) => arpTo(operation, ofOther(scene), scene),
      right: (scene) => arpTo(operation, scene.frames.nic('free').address.ipv4, scene),
    })),
    {
      name: "another destination at a neighbour's MAC",
      from: 'free',
      to: 'victim',
      forge: between('free', 'victim', ({ family }) => ({ target: outside[family] })),
      right: between('free', 'victim'),
    },
    {
      name: "another pod as destination at a neighbour's MAC",
      from: 'free',
      to: 'victim',
      forge: between('free', 'victim', (scene) => ({ target: ofOther(scene) })),
      right: between('free', 'victim'),
    },
  ] satisfies Forgery[]
).map((each): Forgery => ({ ...each, plugins: ['bridge'] }));

function arpTo(operation: 1 | 2, sender: string, { frames, text }: Scene): Buffer {
  const [own, victim] = [frames.nic('free'), frames.nic('victim')];
  const to = operation === 1 ? everyMac : victim.mac;
  const target: [string, string] = [operation === 1 ? '00:00:00:00:00:00' : victim.mac, victim.address.ipv4];
  return frame(to, own.mac, etherTypes.arp, arp(operation, [own.mac, sender], target, text));
}
