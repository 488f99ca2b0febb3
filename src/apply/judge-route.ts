import { podLinkKinds, type Device, type Devices } from './devices.ts';
import type { IpObject } from './ip.ts';

/** How this node reaches the address of a pod. */
export type Way = Inside | Outside;

/** Over a device through which all packets of the pod cross the forward hook. */
export interface Inside {
  readonly isInside: true;
  /** If there is one, the hook sees what it switches only with bridge netfilter on. */
  readonly bridge: string | undefined;
}

/** Past the pod, if it is one: what others send to its address does not cross this node's forward hook. */
export interface Outside {
  readonly isInside: false;
  readonly device: string;
  readonly kind: string | undefined;
  readonly gateway: string | undefined;
  /** The address is one of the node's own. */
  readonly isNode: boolean;
}

/** Of an answer to `ip route get`. `undefined`: it does not say. */
export function judgeRoute({ type, dev, gateway, via }: IpObject, devices: Devices): Way | undefined {
  if (typeof dev !== 'string') return undefined;
  const device = devices.get(dev);
  const outside = { isInside: false, device: dev, kind: device?.kind, gateway: undefined, isNode: false } as const;
  if (type === 'local') return { ...outside, isNode: true };
  // It may have gone since.
  if (!isUnicast(type) || !device) return undefined;
  const inside = judgeDevice(dev, device, devices);
  if (gateway === undefined && via === undefined) return inside ?? outside;
  // Some plugins reach all pods through one veth; and where nodes are containers, so is the way out.
  return inside ? undefined : { ...outside, gateway: typeof gateway === 'string' ? gateway : undefined };
}

/**
 * What another table than that for the node's own packets may say: a route of the answer to `ip route show table all to match` for
 * an address whose way is outside. Default routes lead everywhere, and the subnet of a node's address says nothing of that address.
 */
export function judgeOtherRoute({ dst, type, dev, gateway, via }: IpObject, way: Way, devices: Devices): Way {
  if (way.isInside) return way;
  const device = typeof dev === 'string' ? devices.get(dev) : undefined;
  const isOfPod = typeof dst === 'string' && (way.isNode ? !dst.includes('/') && dst !== 'default' : dst !== 'default');
  if (!device || !isOfPod || !isUnicast(type) || gateway !== undefined || via !== undefined) return way;
  return judgeDevice(dev as string, device, devices) ?? way;
}

function judgeDevice(name: string, device: Device, devices: Devices): Inside | undefined {
  if (device.netfilter) return { isInside: true, bridge: name };
  // The node's own port in a VLAN of a bridge.
  const lower = device.kind === 'vlan' && device.lower !== undefined ? devices.get(device.lower) : undefined;
  if (lower?.netfilter) return { isInside: true, bridge: device.lower };
  return podLinkKinds.has(device.kind) ? { isInside: true, bridge: undefined } : undefined;
}

function isUnicast(type: unknown): boolean {
  return type === undefined || type === 'unicast';
}

/** Of the addresses of one pod: what is wrong, then what to do. */
export function describeOutside(addresses: ReadonlyMap<string, Outside>): string {
  const all = [...addresses];
  const own = all.filter(([, { isNode }]) => isNode).map(([address]) => address);
  const others = all
    .filter(([, { isNode }]) => !isNode)
    .map(([address, way]) => `${address} by ${describeDevice(way)}`);
  const problems: string[] = [];
  if (own.length > 0) {
    const remedy = 'give the pod an address of its own';
    problems.push(`the node itself has ${own.join(' and ')}, so no policy holds for what is sent there: ${remedy}`);
  }
  if (others.length > 0) {
    problems.push(
      `this node reaches ${others.join(' and ')}, not by a veth, a tap or a bridge: as with macvlan, ipvlan, SR-IOV and host-device, ` +
        'its packets need not cross the node, and no policy holds for those that do not: use a plugin that routes or bridges pods on the node',
    );
  }
  return problems.join('; ');
}

function describeDevice({ device, kind, gateway }: Outside): string {
  return `${gateway === undefined ? '' : `${gateway} on `}${device}${kind === undefined ? '' : ` (${kind})`}`;
}
