import { familyOf, parseCidr, formatAddress } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';

/** Network between pods of two nodes: plain routes, or VXLAN as in flannel's vxlan backend. */
export const labOverlays = ['routed', 'vxlan'] as const;
export type LabOverlay = (typeof labOverlays)[number];

/** Device names of flannel (pkg/backend/vxlan). */
const tunnelDevices: Readonly<Record<Family, string>> = { ipv4: 'flannel.1', ipv6: 'flannel-v6.1' };
const tunnelPort = 8472;
const tunnelId = 1;

/** Bytes of the outer headers: Ethernet, UDP, VXLAN and IP. */
const overhead: Readonly<Record<Family, number>> = { ipv4: 50, ipv6: 70 };

/** MTU of pods with VXLAN. It fits both families, because a pod has one device. */
export function tunnelMtu(families: readonly Family[]): number {
  return 1500 - Math.max(...families.map((family) => overhead[family]));
}

export interface OverlayLines {
  /** For `ip -batch` and `bridge -batch`. */
  readonly ip: readonly string[];
  readonly bridge: readonly string[];
}

/** A VXLAN device per family, with static routes, neighbours and fdb entries for each other node. */
export function overlayLines(node: NodePlan, others: readonly NodePlan[]): OverlayLines {
  const tunnels = others.flatMap((other) => vteps(other));
  return {
    ip: [
      ...vteps(node).flatMap(({ device, mac, address, underlay, family }) => [
        `link add ${device} address ${mac} type vxlan id ${tunnelId} dstport ${tunnelPort} local ${underlay} dev eth0 nolearning`,
        `address add ${address}/${family === 'ipv4' ? 32 : 128} dev ${device}`,
        `link set ${device} up`,
      ]),
      ...tunnels.flatMap(({ device, mac, address, cidr }) => [
        `neighbour add ${address} lladdr ${mac} dev ${device} nud permanent`,
        `route add ${cidr} via ${address} dev ${device} onlink`,
      ]),
    ],
    bridge: tunnels.map(({ device, mac, underlay }) => `fdb add ${mac} dev ${device} dst ${underlay}`),
  };
}

interface Vtep {
  readonly family: Family;
  readonly device: string;
  readonly mac: string;
  /** The first address of the node's range, which no pod has. */
  readonly address: string;
  readonly cidr: string;
  readonly underlay: string;
}

/** One per family. */
export function vteps({ number, addresses, podCidrs }: NodePlan): Vtep[] {
  return podCidrs.map((cidr, index) => {
    const family = familyOf(cidr.split('/')[0]!);
    const address = formatAddress(family, parseCidr(cidr)!.first);
    const mac = `0e:00:00:00:0${index}:${number.toString(16).padStart(2, '0')}`;
    return { family, device: tunnelDevices[family], mac, address, cidr, underlay: addresses[index]! };
  });
}
