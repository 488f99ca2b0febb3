import { familyOf, formatAddress, parseCidr } from '../model/address.ts';
import { everything } from './addressing.ts';
import type { CniConfigList, CniPluginConfig } from './cni.ts';
import { LabError } from './error.ts';
import { flannelSettings } from './flannel.ts';
import type { Requirement } from './network-maker.ts';

export type LabCni = 'bridge' | 'ptp';
export const labCnis: readonly LabCni[] = ['bridge', 'ptp'];

const portmap: CniPluginConfig = { type: 'portmap', capabilities: { portMappings: true }, snat: true };
const ipam = { type: 'host-local' };

/** The lab's own networks. */
const labLists: Readonly<Record<LabCni, CniConfigList>> = {
  bridge: {
    cniVersion: '1.0.0',
    name: 'postern-lab',
    plugins: [{ type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam }, portmap],
  },
  ptp: { cniVersion: '1.0.0', name: 'postern-lab', plugins: [{ type: 'ptp', ipam }, portmap] },
};

/** A network of the lab: one of its own by name, or the user's. */
export type LabNetwork = LabCni | CniConfigList;

export interface NetworkOptions {
  readonly podCidrs: readonly string[];
  /** Socket of the dhcp plugin's daemon. */
  readonly dhcpSocket?: string | undefined;
  /** Where host-local keeps the node's reservations. */
  readonly ipamDirectory: string;
  /** Where flanneld and its plugin would write; default: as without a lab. */
  readonly flannelDirectory?: string | undefined;
  /** Limit of pod addresses per range, from the first; default: all. */
  readonly podAddresses?: number | undefined;
  /** MTU of pod devices; default: the kernel's. */
  readonly mtu?: number | undefined;
}

function listOf(network: LabNetwork): CniConfigList {
  return typeof network === 'string' ? labLists[network] : network;
}

/** How the pods of a network reach others. */
export interface PodLinks {
  /**
   * `routed`: by their node. `shared`: pods and nodes are in one layer 2 network, by the uplink of the node. `uplink`: by the uplink of the node too, which routes to
   * them (ipvlan in mode l3).
   */
  readonly way: 'routed' | 'shared' | 'uplink';
  /** The VLAN of the uplink that the pods share: its device in the node is the uplink's name, a dot and this number. */
  readonly vlan?: number | undefined;
  /** Whether the switch sends frames back by the port that they came from (IEEE 802.1Qbg, VEPA). */
  readonly hairpins: boolean;
}

export function podLinksOf(network: LabNetwork): PodLinks {
  const [main] = listOf(network).plugins;
  if (!main || !sharingPlugins.includes(main.type)) return { way: 'routed', hairpins: false };
  const mode = String(main['mode'] ?? '');
  const vlan = /^eth0[.]([0-9]{1,4})$/.exec(String(main['master'] ?? ''))?.[1];
  const way = main.type === 'ipvlan' && ['l3', 'l3s'].includes(mode) ? 'uplink' : 'shared';
  if (way === 'uplink' && vlan !== undefined)
    throw new LabError('input', `mode ${mode} of ipvlan routes by the uplink: give it the master eth0`);
  return { way, vlan: vlan === undefined ? undefined : Number(vlan), hairpins: mode === 'vepa' };
}

/** Their devices share one of the node. */
const sharingPlugins: readonly string[] = ['macvlan', 'ipvlan'];

/** All plugins of a network, also those for addresses and those that others call. */
export function pluginsOf(network: LabNetwork): readonly string[] {
  const types = listOf(network).plugins.flatMap((plugin) => [
    plugin.type,
    ...[ipamOf(plugin)?.type ?? []].flat(),
    ...(plugin.type === 'flannel' ? [delegateOf(plugin)] : []),
  ]);
  return [...new Set(types)];
}

/** What the plugins need of the kernel, and not every kernel has. */
export function needsOf(network: LabNetwork): readonly Requirement[] {
  const { plugins } = listOf(network);
  return [
    ...(plugins.some(({ type, vlan }) => type === 'bridge' && vlan !== undefined) ? [vlanFiltering] : []),
    ...(plugins.some(({ type }) => type === 'vlan') || podLinksOf(network).vlan !== undefined ? [vlanDevices] : []),
    ...plugins.flatMap(({ type }) => (sharingPlugins.includes(type) ? [sharingDevice(type)] : [])),
  ];
}

const vlanFiltering: Requirement = {
  what: 'VLAN filtering of bridges',
  command: 'unshare --net ip link add x type bridge vlan_filtering 1',
  remedy: 'use a kernel with CONFIG_BRIDGE_VLAN_FILTERING, or a list without "vlan"',
};

const vlanDevices: Requirement = {
  what: 'VLAN devices',
  command: "unshare --net sh -c 'ip link add x type bridge && ip link add y link x type vlan id 2'",
  remedy: 'modprobe 8021q',
};

function sharingDevice(kind: string): Requirement {
  return {
    what: `${kind} devices`,
    command: `unshare --net sh -c 'ip link add up0 type veth && ip link add pod0 link up0 type ${kind}'`,
    remedy: `modprobe ${kind}, or use another network`,
  };
}

/** flannel's own default is bridge. */
function delegateOf({ delegate }: CniPluginConfig): string {
  return (delegate as { readonly type?: string } | undefined)?.type ?? 'bridge';
}

/** The bridge on which pods ask for addresses by DHCP; `undefined` if they do not. Throws LabError `input` if the network has no bridge for it. */
export function dhcpBridgeOf(network: LabNetwork): string | undefined {
  if (!pluginsOf(network).includes('dhcp')) return undefined;
  const main = listOf(network).plugins.find(({ type }) => type === 'bridge');
  if (!main)
    throw new LabError('input', "the lab's DHCP server needs pods on a bridge: name the plugin bridge in the list");
  return typeof main['bridge'] === 'string' ? main['bridge'] : 'cni0';
}

/** The configuration of one node. host-local without addresses of its own gets the node's, and dhcp the socket of the node's daemon. */
export function networkConfig(network: LabNetwork, options: NetworkOptions): CniConfigList {
  const list = listOf(network);
  return { ...list, plugins: list.plugins.map((plugin) => pluginOfNode(plugin, options)) };
}

function pluginOfNode(plugin: CniPluginConfig, options: NetworkOptions): CniPluginConfig {
  if (plugin.type === 'flannel') return { ...flannelSettings(options), ...plugin };
  const addresses = ipamOf(plugin);
  if (!addresses) return plugin;
  const { mtu } = options;
  return { ...(mtu !== undefined && { mtu }), ...plugin, ipam: { ...ipamOfNode(addresses, options), ...addresses } };
}

interface Ipam {
  readonly type: string;
  readonly [field: string]: unknown;
}

function ipamOf(plugin: CniPluginConfig): Ipam | undefined {
  const { ipam: found } = plugin as { readonly ipam?: Partial<Ipam> };
  return typeof found?.type === 'string' ? (found as Ipam) : undefined;
}

function ipamOfNode({ type, ranges, subnet }: Ipam, options: NetworkOptions): object {
  if (type === 'dhcp') return { daemonSocketPath: options.dhcpSocket };
  return type === 'host-local' && ranges === undefined && subnet === undefined ? addressesOfNode(options) : {};
}

function addressesOfNode({ podCidrs, ipamDirectory, podAddresses }: NetworkOptions): object {
  return {
    dataDir: ipamDirectory,
    ranges: podCidrs.map((subnet) => [
      { subnet, ...(podAddresses && { rangeEnd: lastAddress(subnet, podAddresses) }) },
    ]),
    routes: podCidrs.map((cidr) => ({ dst: everything[familyOf(cidr)] })),
  };
}

/** The first address of a subnet belongs to the gateway. */
function lastAddress(subnet: string, count: number): string {
  const { family, first } = parseCidr(subnet)!;
  return formatAddress(family, first + 1n + BigInt(count));
}
