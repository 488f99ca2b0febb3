import type { Family } from '../../src/model/address.ts';
import { bridgeForgeries } from './frame-forgeries-bridge.ts';
import { between, ofOther, outside, toMany, toNode } from './frame-makers.ts';
import type { Forgery, Scene } from './frame-makers.ts';
import { tagged } from './frames.ts';

const anyAddress: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' };
const otherNode: Readonly<Record<Family, string>> = { ipv4: '172.30.0.3', ipv6: 'fd00:172:30::3' };

/** From an address that is not its own. The other node would not take its own from others. */
const sources: Forgery[] = [
  { name: "another pod's address", to: ['victim', 'far'] as const, source: ofOther },
  { name: 'an address outside', to: ['victim', 'far'] as const, source: ({ family }: Scene) => outside[family] },
  { name: "another node's address", to: ['victim'] as const, source: ({ family }: Scene) => otherNode[family] },
].flatMap(({ name, to, source }) =>
  to.map((each) => ({
    name: `${name}, to a pod of ${each === 'far' ? 'another' : 'its'} node`,
    from: 'free' as const,
    to: each,
    forge: between('free', each, (scene) => ({ source: source(scene) })),
    right: between('free', each),
  })),
);

/** On a routed link the kernel itself refuses these: they are no source to be forwarded. */
const bridgeSources: Forgery[] = [
  { name: "the node's own address", source: ({ frames, family }: Scene) => frames.nodeAddress(family) },
  {
    name: "the node's address on the bridge",
    source: ({ frames, family }: Scene) => frames.gateway('free').address[family],
  },
  { name: 'no address', source: ({ family }: Scene) => anyAddress[family] },
].map(({ name, source }) => ({
  name: `${name}, to a neighbour`,
  plugins: ['bridge'],
  from: 'free',
  to: 'victim',
  forge: between('free', 'victim', (scene) => ({ source: source(scene) })),
  right: between('free', 'victim'),
}));

const byTheNode: Forgery[] = [
  {
    name: "another pod's address, tagged for VLAN 0",
    plugins: ['ptp'],
    from: 'free',
    to: 'victim',
    forge: (scene) => tagged(between('free', 'victim', () => ({ source: ofOther(scene) }))(scene), 0),
    right: (scene) => tagged(between('free', 'victim')(scene), 0),
  },
  {
    name: "another pod's address, to the node",
    from: 'free',
    to: 'node',
    forge: toNode('free', (scene) => ({ source: ofOther(scene) })),
    right: toNode('free'),
  },
  {
    name: "another pod's address, to all on the link",
    from: 'free',
    to: 'node',
    forge: toMany('free', 'multicast', (scene) => ({ source: ofOther(scene) })),
    right: toMany('free', 'multicast'),
  },
  {
    name: "another pod's address, broadcast",
    of: ['ipv4'],
    from: 'free',
    to: 'node',
    forge: toMany('free', 'broadcast', (scene) => ({ source: ofOther(scene) })),
    right: toMany('free', 'broadcast'),
  },
  {
    name: 'no address and no DHCP, broadcast',
    of: ['ipv4'],
    from: 'free',
    to: 'node',
    forge: toMany('free', 'broadcast', () => ({ source: '0.0.0.0' })),
    right: toMany('free', 'broadcast'),
  },
  {
    name: 'no address and no neighbour discovery, to all on the link',
    of: ['ipv6'],
    from: 'free',
    to: 'node',
    forge: toMany('free', 'multicast', () => ({ source: '::' })),
    right: toMany('free', 'multicast'),
  },
  {
    name: 'link-local to the node, of a pod with isolated egress',
    of: ['ipv6'],
    from: 'caged',
    to: 'node',
    forge: toNode('caged', ({ frames }) => ({
      source: frames.nic('caged').linkLocal,
      target: frames.gateway('caged').linkLocal,
    })),
    right: toNode('caged'),
  },
];

export const forgeries: readonly Forgery[] = [...sources, ...bridgeSources, ...byTheNode, ...bridgeForgeries];
