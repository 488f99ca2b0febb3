import type { Family } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';
import { configureBridges, configureLinks } from './network-namespace.ts';
import type { NetworkMaker } from './network-maker.ts';
import { hostPrefixLength, tunnelEnds } from './tunnel-end.ts';
import type { TunnelEnd } from './tunnel-end.ts';

/** Device names of flannel (pkg/backend/vxlan). */
const devices: Readonly<Record<Family, string>> = { ipv4: 'flannel.1', ipv6: 'flannel-v6.1' };
const port = 8472;
const tunnelId = 1;

interface Vtep extends TunnelEnd {
  readonly device: string;
  readonly mac: string;
}

/** One per family. */
export function vteps(node: NodePlan): Vtep[] {
  return tunnelEnds(node).map((end, index) => ({
    ...end,
    device: devices[end.family],
    mac: `0e:00:00:00:0${index}:${node.number.toString(16).padStart(2, '0')}`,
  }));
}

/** As flannel's backend of that name: a device per family, with static routes, neighbours and fdb entries for each other node. */
export const vxlan: NetworkMaker = {
  // Ethernet, UDP, VXLAN and the outer IP header.
  overhead: { ipv4: 50, ipv6: 70 },
  needs: [
    {
      what: 'VXLAN',
      command: 'unshare --net ip link add x type vxlan id 1 dstport 8472',
      remedy: 'modprobe vxlan',
    },
  ],
  async connect(namespace, node, others) {
    const tunnels = others.flatMap(vteps);
    await configureLinks(namespace, [
      ...vteps(node).flatMap(({ device, mac, address, underlay, family }) => [
        `link add ${device} address ${mac} type vxlan id ${tunnelId} dstport ${port} local ${underlay} dev eth0 nolearning`,
        `address add ${address}/${hostPrefixLength[family]} dev ${device}`,
        `link set ${device} up`,
      ]),
      ...tunnels.flatMap(({ device, mac, address, cidr }) => [
        `neighbour add ${address} lladdr ${mac} dev ${device} nud permanent`,
        `route add ${cidr} via ${address} dev ${device} onlink`,
      ]),
    ]);
    await configureBridges(
      namespace,
      tunnels.map(({ device, mac, underlay }) => `fdb add ${mac} dev ${device} dst ${underlay}`),
    );
  },
};
