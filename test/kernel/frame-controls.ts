import type { LabCni } from '../../src/lab/cni-config.ts';
import type { Family } from '../../src/model/address.ts';
import { between, toNode } from './frame-makers.ts';
import type { Make, Scene } from './frame-makers.ts';
import type { EarName, PodName } from './frame-lab.ts';
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
} from './frames.ts';

/** What a pod may send, guarded or not. */
export interface Control {
  readonly name: string;
  readonly plugins?: readonly LabCni[];
  readonly of?: readonly Family[];
  readonly from: PodName;
  readonly to: EarName;
  readonly make: Make;
}

/** Link control passes to pods that accept nothing else (S5.8). */
const linkControl: Control[] = [
  {
    name: 'neighbour solicitation',
    of: ['ipv6'],
    make: (scene: Scene) => solicitation(scene, scene.frames.nic('caged').linkLocal),
  },
  {
    name: 'duplicate address detection',
    of: ['ipv6'],
    to: 'bridge',
    make: (scene: Scene) => solicitation(scene, '::', 'caged'),
  },
  {
    name: 'an IGMP report',
    of: ['ipv4'],
    // A bridge keeps these from ports without a router.
    to: 'bridge',
    make: ({ frames, text }: Scene) => {
      const own = frames.nic('caged');
      const head = { from: own.address.ipv4, to: '224.0.0.22', protocol: 2, hopLimit: 1 };
      // Of no groups (RFC 3376).
      const report = Buffer.concat([Buffer.from('2200000000000000', 'hex'), Buffer.from(text)]);
      report.writeUInt16BE(checksum(report), 2);
      return frame(multicastMac(head.to), own.mac, etherTypes.ipv4, packet(head, report));
    },
  },
  {
    name: 'ARP',
    of: ['ipv4'],
    make: (scene: Scene) => question(scene, scene.frames.nic('caged').address.ipv4),
  },
  { name: 'an ARP probe', of: ['ipv4'], to: 'bridge', make: (scene: Scene) => question(scene, '0.0.0.0', 'caged') },
].map((each): Control => ({ to: 'shut', ...each, plugins: ['bridge'], from: 'caged' }) as Control);

/** To whom they are for: routers and address servers, which no pod is (S5.20). */
const forRouters: Control[] = [
  { name: 'DHCP', of: ['ipv4'], make: discover },
  {
    name: 'DHCPv6',
    of: ['ipv6'],
    make: ({ frames, text }: Scene) => {
      const own = frames.nic('caged');
      const ends = { from: own.linkLocal, to: 'ff02::1:2', sourcePort: 546, port: 547, hopLimit: 1 };
      return frame(multicastMac(ends.to), own.mac, etherTypes.ipv6, datagram(ends, text));
    },
  },
  {
    name: 'a multicast listener report',
    of: ['ipv6'],
    make: ({ frames, text }: Scene) => {
      const own = frames.nic('caged');
      const head = { from: own.linkLocal, to: 'ff02::16', hopLimit: 1 };
      const body = Buffer.concat([short(0), short(0), Buffer.from(text)]);
      return frame(multicastMac(head.to), own.mac, etherTypes.ipv6, icmp6(head, 143, body));
    },
  },
].map((each): Control => ({ ...each, plugins: ['bridge'], from: 'caged', to: 'bridge' }) as Control);

function discover({ frames, text }: Scene): Buffer {
  const ends = { from: '0.0.0.0', to: '255.255.255.255', sourcePort: 68, port: 67 };
  return frame(everyMac, frames.nic('caged').mac, etherTypes.ipv4, datagram(ends, text));
}

function solicitation({ frames, text }: Scene, source: string, of: PodName = 'shut'): Buffer {
  const target = addressBytes(frames.nic(of).address.ipv6);
  const group = `ff02::1:ff${target.subarray(13, 14).toString('hex')}:${target.subarray(14).toString('hex')}`;
  // An option that nobody knows, three times eight bytes.
  const option = Buffer.concat([Buffer.from([253, 3]), Buffer.from(text), Buffer.alloc(4)]);
  const body = Buffer.concat([Buffer.alloc(4), target, option]);
  const message = icmp6({ from: source, to: group, hopLimit: 255 }, 135, body);
  return frame(multicastMac(group), frames.nic('caged').mac, etherTypes.ipv6, message);
}

function question({ frames, text }: Scene, sender: string, of: PodName = 'shut'): Buffer {
  const [own, asked4] = [frames.nic('caged'), frames.nic(of).address.ipv4];
  const asked = arp(1, [own.mac, sender], ['00:00:00:00:00:00', asked4], text);
  return frame(everyMac, own.mac, etherTypes.arp, asked);
}

const toAll: Control[] = [
  { name: 'a pod of its node', from: 'free', to: 'victim', make: between('free', 'victim') },
  { name: 'a pod of another node', from: 'free', to: 'far', make: between('free', 'far') },
  { name: 'the node', from: 'free', to: 'node', make: toNode('free') },
  { name: 'DHCP, to the node', of: ['ipv4'], from: 'caged', to: 'node', make: discover },
];

const linkLocal: Control[] = [
  {
    name: 'link-local to the node, of a pod without isolation',
    of: ['ipv6'],
    from: 'free',
    to: 'node',
    make: toNode('free', ({ frames }) => ({
      source: frames.nic('free').linkLocal,
      target: frames.gateway('free').linkLocal,
    })),
  },
  {
    name: 'link-local to a neighbour, both without isolation',
    plugins: ['bridge'],
    of: ['ipv6'],
    from: 'free',
    to: 'victim',
    make: between('free', 'victim', ({ frames }) => ({
      source: frames.nic('free').linkLocal,
      target: frames.nic('victim').linkLocal,
    })),
  },
];

export const controls: readonly Control[] = [...toAll, ...linkControl, ...forRouters, ...linkLocal];
