import { families, familyOf, type Family } from '../model/address.ts';
import type { Link } from '../model/cluster.ts';
import type { Direction } from '../model/policy.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { readComponent } from '../nftables/component.ts';
import type { NftSet } from '../nftables/ruleset.ts';
import type { BuiltClass } from './class-shape.ts';
import { linkedSetName, linkSetNames, ownersSetName, portSetNames } from './names.ts';
import { addressSet, addressType } from './set-builder.ts';

/** The classes of an address; `undefined` where nothing isolates it. */
export type AddressClasses = Readonly<Record<Direction, BuiltClass | undefined>>;

/** A device by which pods' packets come: one of a pod's own, or a port of a bridge. */
export interface Device {
  readonly name: string;
  readonly isPort: boolean;
  /** What may come by it. */
  readonly addresses: Set<string>;
  /** Those of them that are known to come by it, and so by nothing else. */
  readonly linked: Set<string>;
  /** Of its addresses: more than one where a pod has a denied address too. */
  readonly classes: Readonly<Record<Direction, Set<BuiltClass | undefined>>>;
}

/** By all links of a pod may come whatever is the pod's, also where a link is known for one of its addresses alone. */
export function devicesOf(
  { localPods, denied, deniedLinks }: Snapshot,
  classes: ReadonlyMap<string, AddressClasses>,
): Device[] {
  const devices = new Map<string, Device>();
  const add = ({ device, port }: Link, linked: string, addresses: Iterable<string>): void => {
    const name = port ?? device;
    // What nft would not take, or would take for something else.
    if (readComponent('ifname', name) === undefined) return;
    const isPort = port !== undefined;
    const key = `${name} ${isPort}`;
    const known = devices.get(key) ?? {
      name,
      isPort,
      addresses: new Set(),
      linked: new Set(),
      classes: { ingress: new Set(), egress: new Set() },
    };
    devices.set(key, known);
    known.linked.add(linked);
    for (const address of addresses) {
      known.addresses.add(address);
      known.classes.ingress.add(classes.get(address)?.ingress);
      known.classes.egress.add(classes.get(address)?.egress);
    }
  };
  for (const { addresses, links } of localPods.values())
    for (const [address, link] of links) add(link, address, addresses);
  for (const [address, link] of deniedLinks) if (denied.has(address)) add(link, address, [address]);
  return [...devices.values()];
}

/** The sets that the guard of pods' own devices looks in, in the table of a family. All of them or none: their rules must not come and go. */
export function linkSets(family: Family, devices: readonly Device[]): NftSet[] {
  return [
    deviceSet(linkSetNames.all, devices),
    // Looked up of link-local packets alone.
    ...(family === 'ipv6' ? [deviceSet(linkSetNames.egress, isolatedIn('egress', devices))] : []),
    ...addressSets(devices, [family]),
  ];
}

/** The same for ports of bridges. */
export function portSets(ports: readonly Device[]): NftSet[] {
  return [
    deviceSet(portSetNames.all, ports),
    deviceSet(portSetNames.egress, isolatedIn('egress', ports)),
    deviceSet(portSetNames.ingress, isolatedIn('ingress', ports)),
    ...addressSets(ports, families),
  ];
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
    const ofFamily = (addresses: Iterable<string>) => [...addresses].filter((each) => familyOf(each) === family);
    const owners = devices.flatMap(({ name, addresses }) => ofFamily(addresses).map((each) => `${name} . ${each}`));
    const linked = devices.flatMap((device) => ofFamily(device.linked));
    return [
      { name: ownersSetName[family], key: ['ifname', addressType[family]], interval: false, elements: new Set(owners) },
      addressSet(linkedSetName[family], family, linked),
    ];
  });
}
