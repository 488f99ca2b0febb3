import type { LabCni } from '../../src/lab/cni-config.ts';
import type { Family } from '../../src/model/address.ts';
import type { EarName, FrameLab, PodName } from './frame-lab.ts';
import { datagram, etherTypes, everyMac, frame, multicastMac } from './frames.ts';

export interface Scene {
  readonly frames: FrameLab;
  readonly family: Family;
  readonly cni: LabCni;
  /** Stands in the frame, for whoever hears it. */
  readonly text: string;
}

export type Make = (scene: Scene) => Buffer;

export interface Forgery {
  readonly name: string;
  /** Both, unless the kernel itself knows better or there is nobody to hear it. */
  readonly plugins?: readonly LabCni[];
  readonly of?: readonly Family[];
  readonly from: PodName;
  readonly to: EarName;
  readonly forge: Make;
  /** What differs from it only in being honest, or nearly so: sent next, it arrives. */
  readonly right: Make;
}

interface Differing {
  readonly source?: string;
  readonly target?: string;
  readonly port?: number;
}

export const outside: Readonly<Record<Family, string>> = { ipv4: '10.9.0.1', ipv6: 'fd00:9::1' };
export const ofOther = ({ frames, family }: Scene): string => frames.nic('other').address[family];
/** Everyone on the link has joined these. */
export const allHosts: Readonly<Record<Family, string>> = { ipv4: '224.0.0.1', ipv6: 'ff02::1' };

/** What is not as an honest pod would have it. */
type Differ = (scene: Scene) => Differing;
const honestly: Differ = () => ({});

/** A datagram from one pod to another: straight on a bridge, else by way of the node. */
export function between(from: PodName, to: PodName, differ = honestly): Make {
  return (scene) => {
    const { frames, family, cni, text } = scene;
    const [own, gateway, goal] = [frames.nic(from), frames.gateway(from), frames.nic(to)];
    const isNear = cni === 'bridge' && to !== 'far';
    const { source = own.address[family], target = goal.address[family], port } = differ(scene);
    const ends = { from: source, to: target, ...(port && { port }) };
    return frame(isNear ? goal.mac : gateway.mac, own.mac, etherTypes[family], datagram(ends, text));
  };
}

/** A datagram to the node. */
export function toNode(from: PodName, differ = honestly): Make {
  return (scene) => {
    const { frames, family, text } = scene;
    const [own, gateway] = [frames.nic(from), frames.gateway(from)];
    const { source = own.address[family], target = frames.nodeAddress(family) } = differ(scene);
    return frame(gateway.mac, own.mac, etherTypes[family], datagram({ from: source, to: target }, text));
  };
}

/** A datagram to everyone on the link. */
export function toMany(from: PodName, to: 'multicast' | 'broadcast', differ = honestly): Make {
  return (scene) => {
    const { frames, family, text } = scene;
    const own = frames.nic(from);
    const target = to === 'broadcast' ? '255.255.255.255' : allHosts[family];
    const { source = own.address[family], port } = differ(scene);
    const mac = to === 'broadcast' ? everyMac : multicastMac(target);
    return frame(mac, own.mac, etherTypes[family], datagram({ from: source, to: target, ...(port && { port }) }, text));
  };
}
