import { families, familyOf, linkLocalOf, mergeRanges, parseCidr, type Family } from '../model/address.ts';
import type { Link } from '../model/cluster.ts';
import type { Direction } from '../model/policy.ts';
import type { NodeAddresses, Snapshot } from '../model/snapshot.ts';
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

/** The classes of an address; `undefined` where nothing isolates it. */
export type AddressClasses = Readonly<Record<Direction, BuiltClass | undefined>>;

/** A device by which packets of pods come: one of a pod's own, a bridge, or a port of a bridge. */
export interface Device {
  readonly name: string;
  /** Pods share it. */
  readonly isBridge: boolean;
  /** What may come by it. */
  readonly addresses: Set<string>;
  /** Those of them that are known to come by it, and so by nothing else. */
  readonly linked: Set<string>;
  /** Of its addresses: more than one where a pod has a denied address too. */
  readonly classes: Readonly<Record<Direction, Set<BuiltClass | undefined>>>;
  /** Those that frames of a port come from, where they are known. */
  readonly macs: Set<string>;
}

/** Devices as the two kinds of tables see them: packets of a bridged pod come by the bridge at one hook, and by its port at the other. */
export interface Devices {
  readonly routed: readonly Device[];
  readonly ports: readonly Device[];
}

/** By all links of a pod may come whatever is the pod's, also where a link is known for one of its addresses alone. */
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
    // What nft would not take, or would take for something else.
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
 * A packet to a bridged pod goes by the bridge, whichever pod it is for: which port it goes by is for the table of bridges. So where all pods are
 * on bridges, and that table is there, only the device by which a packet comes is looked up.
 */
export function guardedEnds(routed: readonly Device[], closesBridges: boolean): readonly End[] {
  if (routed.length === 0) return [];
  return closesBridges || routed.some(({ isBridge }) => !isBridge) ? ['source', 'destination'] : ['source'];
}

function newDevice(name: string, isBridge: boolean): Device {
  const classes = { ingress: new Set<BuiltClass | undefined>(), egress: new Set<BuiltClass | undefined>() };
  return { name, isBridge, addresses: new Set(), linked: new Set(), classes, macs: new Set() };
}

/** The sets that the guard of pods' devices looks in, in the table of a family. All of them or none: their rules must not come and go. */
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
    // Looked up of link-local packets alone.
    ...(family === 'ipv6' ? [deviceSet(podIfSetNames.egress, isolatedIn('egress', own))] : []),
    ...(family === 'ipv6' && closesBridges ? [deviceSet(podIfSetNames.closed, closed)] : []),
    ...(guarded.includes('destination') ? [addressSet(routedIpsSetName[family], family, linkedOf(family, own))] : []),
    ...addressSets(devices, [family]),
  ];
}

/** The same for ports of bridges. */
export function portSets(ports: readonly Device[]): NftSet[] {
  return [
    deviceSet(portSetNames.all, ports),
    deviceSet(portSetNames.egress, isolatedIn('egress', ports)),
    deviceSet(portSetNames.ingress, isolatedIn('ingress', ports)),
    ...senderSets(ports),
    ...addressSets(ports, families),
  ];
}

/** Whether frames of the port come from known MACs alone. */
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
      // The rules of the bridge table look in those of which there are ports.
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

/** What is known of the addresses of nodes in the table of a family. */
export interface NodeSets {
  readonly others: NftSet;
  /** Of all nodes; without elements where no Node names any. */
  readonly podRanges: NftSet;
  /** Of IPv6: the kernel itself refuses IPv4 packets from its own addresses. */
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

/** Of each family, which addresses each device has, and which have a device. */
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
