import { familyOf, type Family } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { PodKey, Snapshot } from '../model/snapshot.ts';
import type { Ruleset, Table } from '../nftables/ruleset.ts';
import { baseChains, type PodPermissions } from './base-chains.ts';
import { bridgeTable } from './bridge-table.ts';
import type { BuiltClass } from './class-shape.ts';
import { devicesOf, guardedEnds, linkSets, type AddressClasses, type Devices } from './links.ts';
import type { LocalPart } from './local-part.ts';
import { flowSets } from './flows.ts';
import { buildAudits, buildDispatch } from './dispatch-maps.ts';
import { tableOf } from './table.ts';

/**
 * Whether the node drops packets from a pod's device with a source address of another (S1.15). `routed`: without checks on bridge ports.
 * `without-targets`: without checks of the target address in neighbour discovery, which older nft versions cannot express.
 */
export type Guard = boolean | 'routed' | 'without-targets';

/** By direction, the class of an isolated pod or address without allow rules. */
export type NoAllows = Readonly<Record<Direction, BuiltClass>>;

const noDevices: Devices = { routed: [], ports: [] };

export interface RuleOptions {
  readonly guard: Guard;
  readonly allowed: PodPermissions;
  readonly fastPath: boolean;
}

/** The classes of every local address, including denied addresses. */
export function classesOfAddresses(
  { localPods, denied }: Snapshot,
  classesOf: (pod: PodKey) => AddressClasses,
  noAllows: NoAllows,
): Map<string, AddressClasses> {
  const addresses = new Map<string, AddressClasses>();
  for (const [key, pod] of localPods) {
    const classes = classesOf(key);
    for (const address of pod.addresses) addresses.set(address, classes);
  }
  for (const [address, deniedIn] of denied) {
    const deny = (direction: Direction) => (deniedIn.has(direction) ? noAllows[direction] : undefined);
    addresses.set(address, { ingress: deny('ingress'), egress: deny('egress') });
  }
  return addresses;
}

/** The audits of every address of a pod that is not denied. */
export function auditsOfAddresses(
  { localPods, denied }: Snapshot,
  pods: Iterable<PodKey>,
  auditsOf: (pod: PodKey) => AddressClasses,
): Map<string, AddressClasses> {
  const addresses = new Map<string, AddressClasses>();
  for (const key of pods) {
    for (const address of localPods.get(key)?.addresses ?? []) {
      if (!denied.has(address)) addresses.set(address, auditsOf(key));
    }
  }
  return addresses;
}

/** Builds the whole ruleset around the classes: dispatch maps, gate and anti-spoofing. */
export function assemble(
  snapshot: Snapshot,
  addresses: ReadonlyMap<string, AddressClasses>,
  audits: ReadonlyMap<string, AddressClasses>,
  noAllows: NoAllows,
  nodes: LocalPart['nodeSets'],
  { guard, allowed, fastPath }: RuleOptions,
): Ruleset {
  const { gatedRanges } = snapshot;
  // Without a bridge table, rules cannot tell bridge ports apart.
  const closesBridges = guard === 'routed';
  const { routed: links, ports } = guard ? devicesOf(snapshot, addresses) : noDevices;
  const guarded = guardedEnds(links, closesBridges);
  const table = (family: Family): Table => {
    const ofFamily = gatedRanges.filter((range) => familyOf(range) === family);
    const { podRanges, others, own } = nodes[family];
    const hasRanges = podRanges.elements.size > 0;
    const audit = buildAudits(family, audits);
    const hasAudits = audit.maps.length > 0;
    const base = baseChains(family, {
      gatedRanges: ofFamily,
      podRanges: hasRanges ? podRanges.name : undefined,
      guarded,
      closesBridges,
      allowed,
      fastPath,
      hasAudits,
    });
    const dispatch = buildDispatch(family, addresses, links, guarded, hasAudits);
    const ofNodes = [...own, ...(allowed.tunnels ? [] : [others, ...(hasRanges ? [podRanges] : [])])];
    const ofGuard = guarded.length > 0 ? [...linkSets(family, links, guarded, closesBridges), ...ofNodes] : [];
    return tableOf({
      sets: [...dispatch.sets, ...audit.sets, ...ofGuard, ...(fastPath ? flowSets[family] : [])],
      maps: [...dispatch.maps, ...audit.maps],
      chains: [...base, ...dispatch.chains, ...audit.chains],
    });
  };
  const tables = { ip: table('ipv4'), ip6: table('ipv6') };
  if (closesBridges || ports.length === 0) return tables;
  const linked = new Set(links.flatMap((device) => [...device.linked]));
  const unlinked = [...addresses.keys()].filter((address) => !linked.has(address));
  const readsTargets = guard !== 'without-targets';
  return {
    ...tables,
    bridge: bridgeTable(ports, { gatedRanges, unlinked, noAllows: noAllows.ingress, allowed, readsTargets }),
  };
}
