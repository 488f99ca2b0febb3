import type { Family } from '../model/address.ts';
import { ipsec } from './ipsec.ts';
import type { NetworkMaker } from './network-maker.ts';
import { routed } from './routed.ts';
import { vxlan } from './vxlan.ts';
import { wireguard } from './wireguard.ts';

/** Network between the pods of two nodes: plain routes, or a tunnel. */
export const nodeNetworks = ['routed', 'vxlan', 'wireguard', 'ipsec'] as const;
export type NodeNetwork = (typeof nodeNetworks)[number];

export const networkMakers: Readonly<Record<NodeNetwork, NetworkMaker>> = { routed, vxlan, wireguard, ipsec };

/** It fits both families, because a pod has one device. */
export function podMtu(network: NodeNetwork, families: readonly Family[]): number {
  const { overhead } = networkMakers[network];
  return 1500 - Math.max(...families.map((family) => overhead[family]));
}
