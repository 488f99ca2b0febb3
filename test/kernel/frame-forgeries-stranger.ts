import { labCnis } from '../../src/lab/cni-config.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { between, ofOther, outside, toMany, toNode } from './frame-makers.ts';
import type { Forgery } from './frame-makers.ts';
import { arp, etherTypes, everyMac, frame, tagged } from './frames.ts';

interface StrangerForgery extends Omit<Forgery, 'from' | 'right' | 'to'> {
  readonly to: 'victim' | 'node';
  /** Where it is stopped only if the pod's device is known; before, addresses are all that there is to go by. */
  readonly needsPort?: readonly LabCni[];
}

/** What a pod sends that nobody knows. */
export const strangerForgeries: readonly StrangerForgery[] = [
  { name: 'its own address', to: 'victim', forge: between('late', 'victim') },
  { name: 'its own address, to the node', to: 'node', forge: toNode('late') },
  {
    name: "another pod's address",
    to: 'victim',
    forge: between('late', 'victim', (scene) => ({ source: ofOther(scene) })),
  },
  {
    name: 'an address outside',
    needsPort: ['ptp'],
    to: 'victim',
    forge: between('late', 'victim', ({ family }) => ({ source: outside[family] })),
  },
  {
    name: 'link-local to a neighbour',
    plugins: ['bridge'],
    of: ['ipv6'],
    to: 'victim',
    forge: between('late', 'victim', ({ frames }) => ({
      source: frames.nic('late').linkLocal,
      target: frames.nic('victim').linkLocal,
    })),
  },
  {
    name: 'link-local to all on the link',
    plugins: ['bridge'],
    of: ['ipv6'],
    to: 'victim',
    forge: toMany('late', 'multicast', ({ frames }) => ({ source: frames.nic('late').linkLocal })),
  },
  {
    name: 'link-local to the node',
    needsPort: labCnis,
    of: ['ipv6'],
    to: 'node',
    forge: toNode('late', ({ frames }) => ({
      source: frames.nic('late').linkLocal,
      target: frames.gateway('late').linkLocal,
    })),
  },
  {
    name: 'no address, broadcast',
    plugins: ['bridge'],
    of: ['ipv4'],
    to: 'victim',
    forge: toMany('late', 'broadcast', () => ({ source: '0.0.0.0' })),
  },
  {
    name: "ARP in another pod's name",
    plugins: ['bridge'],
    of: ['ipv4'],
    to: 'victim',
    forge: (scene) => {
      const own = scene.frames.nic('late');
      const asked = arp(1, [own.mac, ofOther(scene)], ['00:00:00:00:00:00', ofOther(scene)], scene.text);
      return frame(everyMac, own.mac, etherTypes.arp, asked);
    },
  },
  {
    name: 'a frame tagged for VLAN 0',
    plugins: ['bridge'],
    to: 'victim',
    forge: (scene) => tagged(between('late', 'victim')(scene), 0),
  },
];
