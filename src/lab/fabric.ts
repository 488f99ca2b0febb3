import { familyOf, formatAddress, parseCidr } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import { everything, nodePrefixLength } from './addressing.ts';
import type { PodLinks } from './cni-config.ts';
import type { AddressPlan, NodePlan } from './addressing.ts';
import { createNamespace, configureLinks, routerSysctls } from './network-namespace.ts';
import type { LabNames } from './names.ts';
import { networkMakers } from './node-network.ts';
import type { NodeNetwork } from './node-network.ts';
import { routesToPods } from './routed.ts';
import { addUplink, addWire } from './uplink.ts';
import type { LabUplink } from './uplink.ts';

/** Gateway of every outside host: the fabric's end of its link. */
const linkGateway: Readonly<Record<Family, string>> = { ipv4: '169.254.1.1', ipv6: 'fe80::1' };

export interface FabricOptions {
  readonly uplink?: LabUplink;
  readonly network?: NodeNetwork;
  /** net.ipv4.conf.all.rp_filter of the nodes. */
  readonly rpFilter?: RpFilter;
}

export const rpFilters = [0, 1, 2] as const;
export type RpFilter = (typeof rpFilters)[number];

/**
 * The network between nodes: one namespace with a bridge that connects all nodes, and with routes to pods and outside hosts. It does
 * not translate addresses.
 */
export class Fabric {
  readonly #names: LabNames;
  readonly #plan: AddressPlan;
  readonly #options: Required<FabricOptions>;
  readonly #podLinks: PodLinks;
  #hosts = 0;

  constructor(
    names: LabNames,
    plan: AddressPlan,
    { uplink = 'veth', network = 'routed', rpFilter = 0 }: FabricOptions = {},
    podLinks: PodLinks = { way: 'routed', hairpins: false },
  ) {
    this.#podLinks = podLinks;
    this.#names = names;
    this.#plan = plan;
    this.#options = { uplink, network, rpFilter };
  }

  async create(): Promise<void> {
    // Without redirects: pods and their gateway are in one network.
    await createNamespace(this.#names.fabric, {
      ...routerSysctls,
      'ipv4/conf/all/send_redirects': 0,
      'ipv4/conf/default/send_redirects': 0,
    });
    await addWire(this.#options.uplink, this.#names.fabric, this.#names.wire);
    await configureLinks(this.#names.fabric, [
      'link add br0 type bridge',
      'link set br0 up',
      ...this.#plan.families.map(
        (family) => `address add ${this.#plan.gateways[family]}/${nodePrefixLength[family]} dev br0`,
      ),
      ...this.#vlanOf('br0'),
    ]);
  }

  async addNode(node: NodePlan): Promise<void> {
    const { fabric, wire } = this.#names;
    const { uplink, network, rpFilter } = this.#options;
    const namespace = this.#names.node(node.name);
    const others = this.#plan.nodes.filter((other) => other !== node);
    await createNamespace(namespace, {
      ...routerSysctls,
      'ipv4/conf/all/rp_filter': rpFilter,
      'bridge/bridge-nf-call-iptables': 1,
      'bridge/bridge-nf-call-ip6tables': 1,
    });
    await addUplink(uplink, { namespace, fabric, wire, name: node.name, number: node.number });
    const { way, vlan, hairpins } = this.#podLinks;
    const isShared = way === 'shared';
    await configureLinks(fabric, [
      `link set ${node.name} master br0 up`,
      ...(hairpins ? [`link set ${node.name} type bridge_slave hairpin on`] : []),
      ...(isShared ? gatewaysOfPods(node, vlan === undefined ? 'br0' : `br0.${vlan}`) : routesToPods(node)),
    ]);
    await configureLinks(namespace, [
      'link set eth0 up',
      ...this.#vlanOf('eth0'),
      ...node.addresses.map((address) => `address add ${address}/${nodePrefixLength[familyOf(address)]} dev eth0`),
      ...this.#plan.families.map((family) => `route add ${everything[family]} via ${this.#plan.gateways[family]}`),
    ]);
    // A node and its pods do not reach each other in a shared network, so nothing goes to pods by their nodes.
    if (!isShared) await networkMakers[network].connect(namespace, node, others);
  }

  /** Lines of `ip -batch`. The bridge of the fabric passes tagged frames as they are. */
  #vlanOf(device: string): string[] {
    const { vlan } = this.#podLinks;
    if (vlan === undefined) return [];
    const name = `${device}.${vlan}`;
    return [`link add link ${device} name ${name} type vlan id ${vlan}`, `link set ${name} up`];
  }

  /** Adds a host outside the cluster, behind a routed link. It may have any address outside the lab's own networks. */
  async addHost(name: string, addresses: readonly string[]): Promise<void> {
    const { fabric, wire } = this.#names;
    const namespace = this.#names.host(name);
    const link = `h${++this.#hosts}`;
    await createNamespace(namespace);
    await addUplink('veth', { namespace, fabric, wire, name: link, number: 0 });
    const used = new Set(addresses.map(familyOf));
    const gateways = [...used].map((family) => ({ family, gateway: linkGateway[family] }));
    await configureLinks(fabric, [
      `link set ${link} up`,
      ...gateways.map(({ gateway }) => `address add ${gateway}/${gateway.includes(':') ? 64 : 32} dev ${link}`),
      ...addresses.map((address) => `route add ${address} dev ${link}`),
    ]);
    await configureLinks(namespace, [
      'link set eth0 up',
      ...addresses.map((address) => `address add ${address} dev eth0`),
      ...gateways.map(({ family, gateway }) => `route add ${everything[family]} via ${gateway} dev eth0 onlink`),
    ]);
  }
}

/** host-local takes the second address of a range as its gateway. */
function gatewaysOfPods({ podCidrs }: NodePlan, device: string): string[] {
  return podCidrs.map((cidr) => {
    const { family, first } = parseCidr(cidr)!;
    return `address add ${formatAddress(family, first + 1n)}/${cidr.split('/')[1]} dev ${device}`;
  });
}
