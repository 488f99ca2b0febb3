import { families, familyOf, linkLocalOf, mergeRanges, parseCidr, type Family } from '../model/address.ts';
import type { Link, NodeAddresses } from '../model/cluster.ts';
import type { Direction } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { readComponent } from '../nftables/component.ts';
import type { KeyType, NftSet } from '../nftables/ruleset.ts';
import type { BuiltClass } from './class-shape.ts';
import type { End } from './match.ts';
import {
  guardedIpsSetName,
  podIfSetNames,
  portMacIpsSetName,
  portMacSetNames,
  otherNodeIpsSetName,
  nodeIpsSetName,
  portLinkLocalSetName,
  ifIpsSetName,
  portSetNames,
  routedIpsSetName,
  portIpsSetName,
} from './names.ts';
import { addressSet, addressType, rangesSet } from './set-builder.ts';

/** The classes of an address by direction; `undefined` if no policy isolates it. */
export type AddressClasses = Readonly<Record<Direction, BuiltClass | undefined>>;

/** A device on the node that carries packets of pods: a pod's own device, a bridge, or a bridge port. */
export interface Device {
  readonly name: string;
  /** Several pods share it. */
  readonly isBridge: boolean;
  /** Source addresses that are allowed on it. */
  readonly addresses: Set<string>;
  /** Of these, addresses whose link is this device. A pod with several links may use each of its addresses on each of them. */
  readonly linked: Set<string>;
  /** The classes of its addresses. There may be several if the pod also has a denied address. */
  readonly classes: Readonly<Record<Direction, Set<BuiltClass | undefined>>>;
  /** Known source MACs of a port; empty if unknown. */
  readonly macs: Set<string>;
}

/** For a bridged pod, the ip and ip6 tables see the bridge (`routed`), and the bridge table sees the port (`ports`). */
export interface Devices {
  readonly routed: readonly Device[];
  readonly ports: readonly Device[];
}

/** A pod may use all its addresses on each of its devices, even if the device is known for only one of them. */
export function devicesOf(
  { localPods, denied, deniedLinks }: Snapshot,
  classes: ReadonlyMap<string, AddressClasses>,
): Devices {
  const routed = new Map<string, Device>();
  const ports = new Map<string, Device>();
  const add = (devices: Map<string, Device>, device: Device, linked: string, addresses: Iterable<string>): Device => {
    const known = devices.get(device.name) ?? device;
    devices.set(device.name, known);
    known.linked.add(linked);
    for (const address of addresses) {
      known.addresses.add(address);
      known.classes.ingress.add(classes.get(address)?.ingress);
      known.classes.egress.add(classes.get(address)?.egress);
    }
    return known;
  };
  const addLink = ({ device, port, mac }: Link, linked: string, addresses: readonly string[]): void => {
    // Skip names that nft refuses or reads as something else.
    if ([device, port ?? device].some((name) => readComponent('ifname', name) === undefined)) return;
    add(routed, newDevice(device, port !== undefined), linked, addresses);
    if (port === undefined) return;
    const known = add(ports, newDevice(port, false), linked, addresses);
    if (mac !== undefined) known.macs.add(mac);
  };
  for (const { addresses, links } of localPods.values())
    for (const [address, link] of links) addLink(link, address, addresses);
  for (const [address, link] of deniedLinks) if (denied.has(address)) addLink(link, address, [address]);
  return { routed: [...routed.values()], ports: [...ports.values()] };
}

/**
 * The ip and ip6 tables see only that a packet to a bridged pod leaves by the bridge; the bridge table checks the port. So if all pods are on bridges and
 * there is a bridge table, the ip and ip6 tables check the input device only.
 */
export function guardedEnds(routed: readonly Device[], closesBridges: boolean): readonly End[] {
  if (routed.length === 0) return [];
  return closesBridges || routed.some(({ isBridge }) => !isBridge) ? ['source', 'destination'] : ['source'];
}

function newDevice(name: string, isBridge: boolean): Device {
  const classes = { ingress: new Set<BuiltClass | undefined>(), egress: new Set<BuiltClass | undefined>() };
  return { name, isBridge, addresses: new Set(), linked: new Set(), classes, macs: new Set() };
}

/** The guard's sets in a family's table. The table has all of them or none, because their rules must not come and go separately. */
export function linkSets(
  family: Family,
  devices: readonly Device[],
  guarded: readonly End[],
  closesBridges: boolean,
): NftSet[] {
  const own = devices.filter(({ isBridge }) => !isBridge);
  const bridges = devices.filter(({ isBridge }) => isBridge);
  const closed = [...new Set([...isolatedIn('ingress', bridges), ...isolatedIn('egress', bridges)])];
  return [
    deviceSet(podIfSetNames.all, own),
    deviceSet(podIfSetNames.pods, devices),
    // Only rules for link-local packets look this up.
    ...(family === 'ipv6' ? [deviceSet(podIfSetNames.egress, isolatedIn('egress', own))] : []),
    ...(family === 'ipv6' && closesBridges ? [deviceSet(podIfSetNames.closed, closed)] : []),
    ...(guarded.includes('destination') ? [addressSet(routedIpsSetName[family], family, linkedOf(family, own))] : []),
    ...addressSets(devices, [family]),
  ];
}

/** The guard's sets in the bridge table. */
export function portSets(ports: readonly Device[]): NftSet[] {
  return [
    deviceSet(portSetNames.all, ports),
    deviceSet(portSetNames.egress, isolatedIn('egress', ports)),
    deviceSet(portSetNames.ingress, isolatedIn('ingress', ports)),
    ...senderSets(ports),
    ...addressSets(ports, families),
  ];
}

/** Whether the port's MAC is known. */
export function hasMac({ macs }: Device): boolean {
  return macs.size > 0;
}

function senderSets(ports: readonly Device[]): NftSet[] {
  const known = ports.filter(hasMac);
  const others = ports.filter((port) => !hasMac(port));
  const linkLocals = known.flatMap(({ name, macs }) => [...macs].map((mac) => `${name} . ${linkLocalOf(mac)}`));
  const pairs = known.flatMap(({ name, macs }) => [...macs].map((mac) => `${name} . ${mac}`));
  return [
    deviceSet(portMacSetNames.ports, known),
    { name: portMacSetNames.macs, key: ['ifname', 'ether_addr'], interval: false, elements: new Set(pairs) },
    { name: portLinkLocalSetName, key: ['ifname', 'ipv6_addr'], interval: false, elements: new Set(linkLocals) },
    ...families.flatMap((family): NftSet[] => {
      const address = addressType[family];
      const withMac = known.flatMap(({ name, macs, addresses }) =>
        ofFamily(family, addresses).flatMap((each) => [...macs].map((mac) => `${name} . ${mac} . ${each}`)),
      );
      const withAny = others.flatMap(({ name, addresses }) =>
        ofFamily(family, addresses).map((each) => `${name} . ${each}`),
      );
      const macKey: KeyType[] = ['ifname', 'ether_addr', address];
      const sets: NftSet[] = [
        { name: portMacIpsSetName[family], key: macKey, interval: false, elements: new Set(withMac) },
        { name: portIpsSetName[family], key: ['ifname', address], interval: false, elements: new Set(withAny) },
      ];
      // The bridge table has rules only for kinds of ports that exist.
      return sets.filter((_, index) => [known, others][index]!.length > 0);
    }),
  ];
}

function linkedOf(family: Family, devices: readonly Device[]): string[] {
  return devices.flatMap(({ linked }) => ofFamily(family, linked));
}

function ofFamily(family: Family, addresses: Iterable<string>): string[] {
  return [...addresses].filter((each) => familyOf(each) === family);
}

/** The sets of node addresses in a family's table. */
export interface NodeSets {
  readonly others: NftSet;
  /** Pod ranges of all nodes; empty if no Node names any. */
  readonly podRanges: NftSet;
  /** IPv6 only: the kernel itself drops IPv4 packets from its own addresses. */
  readonly own: readonly NftSet[];
}

export function nodeSets(family: Family, { own, others, podCidrs }: NodeAddresses): NodeSets {
  const ranges = ofFamily(family, podCidrs).flatMap((cidr) => parseCidr(cidr) ?? []);
  return {
    others: addressSet(otherNodeIpsSetName[family], family, ofFamily(family, others)),
    podRanges: rangesSet(family, mergeRanges(ranges)),
    own: family === 'ipv6' ? [addressSet(nodeIpsSetName, family, ofFamily(family, own))] : [],
  };
}

function isolatedIn(direction: Direction, devices: readonly Device[]): Device[] {
  return devices.filter(({ classes }) => [...classes[direction]].some((built) => built !== undefined));
}

function deviceSet(name: string, devices: readonly Device[]): NftSet {
  return { name, key: ['ifname'], interval: false, elements: new Set(devices.map((device) => device.name)) };
}

/** Per family: the pairs of device and address, and the addresses with a known device. */
function addressSets(devices: readonly Device[], of: readonly Family[]): NftSet[] {
  return of.flatMap((family) => {
    const owners = devices.flatMap(({ name, addresses }) =>
      ofFamily(family, addresses).map((each) => `${name} . ${each}`),
    );
    return [
      { name: ifIpsSetName[family], key: ['ifname', addressType[family]], interval: false, elements: new Set(owners) },
      addressSet(guardedIpsSetName[family], family, linkedOf(family, devices)),
    ];
  });
}
