import { podLinkKinds } from '../lib/pod-link-kinds.ts';
import type { Device, Devices } from './devices.ts';
import type { IpObject } from './ip.ts';

/** How this node reaches the address of a pod. */
export type PodRoute = Inside | Outside;

/** The route leads to a device whose packets all pass the forward hook. */
export interface Inside {
  readonly isInside: true;
  /** The bridge, if the route leads to one. The hook sees packets between its ports only if bridge netfilter is on. */
  readonly bridge: string | undefined;
}

/** The route does not lead to the pod's own device, so packets to this address do not pass this node's forward hook. */
export interface Outside {
  readonly isInside: false;
  readonly device: string;
  readonly kind: string | undefined;
  readonly gateway: string | undefined;
  /** The node itself has the address. */
  readonly isNode: boolean;
}

/** Classifies an answer to `ip route get`. `undefined` if the answer does not decide. */
export function judgeRoute({ type, dev, gateway, via }: IpObject, devices: Devices): PodRoute | undefined {
  if (typeof dev !== 'string') return undefined;
  const device = devices.get(dev);
  const outside = { isInside: false, device: dev, kind: device?.kind, gateway: undefined, isNode: false } as const;
  if (type === 'local') return { ...outside, isNode: true };
  // The device may have been deleted since.
  if (!isUnicast(type) || !device) return undefined;
  const inside = judgeDevice(dev, device, devices);
  if (gateway === undefined && via === undefined) return inside ?? outside;
  // Some plugins reach all pods through one veth. Where nodes are containers, a node's uplink is a veth too.
  return inside ? undefined : { ...outside, gateway: typeof gateway === 'string' ? gateway : undefined };
}

/**
 * Looks for a better route in other routing tables. The first parameter is one route of `ip route show table all to match`, for an address whose
 * route leads outside. Default routes are ignored. For a node's own address, a route to its subnet is ignored too.
 */
export function judgeOtherRoute(
  { dst, type, dev, gateway, via }: IpObject,
  known: PodRoute,
  devices: Devices,
): PodRoute {
  if (known.isInside) return known;
  const device = typeof dev === 'string' ? devices.get(dev) : undefined;
  const isOfPod =
    typeof dst === 'string' && (known.isNode ? !dst.includes('/') && dst !== 'default' : dst !== 'default');
  if (!device || !isOfPod || !isUnicast(type) || gateway !== undefined || via !== undefined) return known;
  return judgeDevice(dev as string, device, devices) ?? known;
}

function judgeDevice(name: string, device: Device, devices: Devices): Inside | undefined {
  if (device.netfilter) return { isInside: true, bridge: name };
  // A VLAN device on top of a bridge is the node's own port in that VLAN.
  const lower = device.kind === 'vlan' && device.lower !== undefined ? devices.get(device.lower) : undefined;
  if (lower?.netfilter) return { isInside: true, bridge: device.lower };
  return podLinkKinds.has(device.kind) ? { isInside: true, bridge: undefined } : undefined;
}

function isUnicast(type: unknown): boolean {
  return type === undefined || type === 'unicast';
}

/** Describes the problem with the addresses of one pod: what is wrong, then what to do. */
export function describeOutside(addresses: ReadonlyMap<string, Outside>): string {
  const all = [...addresses];
  const own = all.filter(([, { isNode }]) => isNode).map(([address]) => address);
  const others = all
    .filter(([, { isNode }]) => !isNode)
    .map(([address, way]) => `${address} by ${describeDevice(way)}`);
  const problems: string[] = [];
  if (own.length > 0) {
    const remedy = 'give the pod an address of its own';
    problems.push(`the node itself has ${own.join(' and ')}, so no policy applies to traffic to it: ${remedy}`);
  }
  if (others.length > 0) {
    problems.push(
      `this node reaches ${others.join(' and ')}, not by a veth, a tap or a bridge: packets of the pod can bypass the node's rules, ` +
        'as with macvlan, ipvlan, SR-IOV and host-device, and no policy applies to them: turn podNetworks.enabled (--pod-networks) on, or use a CNI plugin that routes or bridges pods on the node',
    );
  }
  return problems.join('; ');
}

function describeDevice({ device, kind, gateway }: Outside): string {
  return `${gateway === undefined ? '' : `${gateway} on `}${device}${kind === undefined ? '' : ` (${kind})`}`;
}
