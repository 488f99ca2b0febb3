import { families, type Family } from '../model/address.ts';
import type { Chain, Match, NftRule } from '../nftables/ruleset.ts';
import { addressRequestRules, linkControlRules } from './link-control.ts';
import { addressField, compare, deviceField, dropRule, goTo, isIn, isNotIn, jumpTo, type End } from './match.ts';
import {
  chainNames,
  guardedIpsSetName,
  podIfSetNames,
  ifIpsSetName,
  nodeIpsSetName,
  routedIpsSetName,
} from './names.ts';

/** By family, the name of a set of addresses whose device is known. */
type AddressSets = Readonly<Record<Family, string>>;

/**
 * Source (S1.15, S1.16): from a pod's device, only packets from the pod's own addresses and link control pass. Destination: a packet to the address of a pod
 * with a device of its own must leave by that device. To pass a packet, a chain returns; the policy rules then judge the packet.
 *
 * A transaction may happen between two lookups of one packet (S7.3). For example, it may add or remove a device between the lookups of the device
 * and of its address. So the rules repeat the first lookup before they drop.
 */
export function guardRules(end: End, family: Family): NftRule[] {
  if (end === 'destination') return destinationRules([family], routedIpsSetName);
  return [{ matches: [isOfOther('source', family)], verdict: jumpTo(chainNames.antiSpoof) }];
}

/**
 * The same for packets that the by-if dispatch map does not contain. Transactions remove an element from that map before they remove it from the
 * sets, so a miss in the map says nothing about the sets. One transaction removes a device from `if-ips` and its address from the set of addresses. So if the
 * first lookup of a packet misses, its second lookup of the address misses too, and nothing is dropped.
 */
export function guardRuleForMiss(end: End, family: Family): NftRule {
  if (end === 'source') return { matches: [], verdict: jumpTo(chainNames.antiSpoof) };
  const isRouted = isIn(routedIpsSetName[family], addressField[family].destination);
  return { matches: [isRouted, isOfOther('destination', family)], verdict: jumpTo(chainNames.wrongDevice.destination) };
}

/** Packets to an address with a known device that leave by another device. */
export function destinationRules(of: readonly Family[] = families, linked: AddressSets = guardedIpsSetName): NftRule[] {
  return of.map((family) => {
    const isLinked = isIn(linked[family], addressField[family].destination);
    return {
      matches: [isOfOther('destination', family), isLinked],
      verdict: jumpTo(chainNames.wrongDevice.destination),
    };
  });
}

export function guardChains(family: Family, guarded: readonly End[]): Chain[] {
  const links = podIfSetNames;
  const of = [family];
  return [
    {
      name: chainNames.antiSpoof,
      rules: [
        { matches: [isIn(links.all, 'iifname')], verdict: goTo(chainNames.portSources) },
        { matches: [], verdict: goTo(chainNames.wrongDevice.source) },
      ],
    },
    { name: chainNames.portSources, rules: [...ownerRules('source', of), ...foreignSourceRules(links, of)] },
    linkControlChain(links.all, of),
    {
      name: chainNames.wrongDevice.source,
      rules: [...wrongDeviceRules('source', of, guardedIpsSetName), ...nodeRules(family)],
    },
    // A packet to a bridged pod leaves by the bridge. Only the bridge table sees the port.
    ...(guarded.includes('destination') ? [wrongDeviceChain('destination', of, routedIpsSetName)] : []),
  ];
}

export function wrongDeviceChain(
  end: End,
  of: readonly Family[] = families,
  linked: AddressSets = guardedIpsSetName,
): Chain {
  return { name: chainNames.wrongDevice[end], rules: wrongDeviceRules(end, of, linked) };
}

/**
 * Drops packets from a pod's address that arrive on any other device (S1.17). From an uplink or a tunnel, such a packet would create a conntrack
 * entry in the wrong direction. To a pod's address, only packets that leave by another veth are dropped: that veth may belong to a
 * pod whose rules are not programmed yet.
 *
 * A device may come or go between two lookups of one packet. The source rule looks up the address, the device, and the address again. The destination
 * rule looks up the address, then the device; its caller has looked up the device before.
 */
function wrongDeviceRules(end: End, of: readonly Family[], linked: AddressSets): NftRule[] {
  return of.map((family) => {
    const isLinked = isIn(linked[family], addressField[family][end]);
    return end === 'source'
      ? dropRule(isNotOfNode, isLinked, isOfOther(end, family), isLinked)
      : dropRule(isLinked, compare('meta oifkind', '==', 'veth'), isOfOther(end, family));
  });
}

/**
 * Drops packets that arrive with an address of the node itself as source: replies to them would pass as replies to the node (S5.1). The kernel
 * drops such IPv4 packets itself (fib_validate_source), but accepts IPv6 ones (K8).
 */
function nodeRules(family: Family): NftRule[] {
  return family === 'ipv6' ? [dropRule(isNotOfNode, isIn(nodeIpsSetName, addressField.ipv6.source))] : [];
}

/** Exempts `lo`: the kernel sends resets with the pod's source address to the node's own sockets there (S5.18). No pod can send on `lo`. */
const isNotOfNode = compare('iifname', '!=', 'lo');

function isOfOther(end: End, family: Family): Match {
  return isNotIn(ifIpsSetName[family], deviceField[end], addressField[family][end]);
}

/**
 * Without a bridge table, rules cannot tell the ports of a bridge apart. So on a bridge with an isolated pod, link-local packets are dropped. Earlier
 * rules accept link control (S1.16).
 */
export function closedBridgeRule(end: End): NftRule {
  return dropRule(compare(addressField.ipv6[end], '==', 'fe80::/10'), isIn(podIfSetNames.closed, deviceField[end]));
}

/** Passes packets that use an address on its own device. */
export function ownerRules(end: End, of: readonly Family[] = families): NftRule[] {
  const kind = end === 'source' ? 'return' : 'accept';
  return of.map((family) => ({ matches: [isOwn(end, family)], verdict: { kind } }));
}

export function isOwn(end: End, family: Family): Match {
  return isIn(ifIpsSetName[family], deviceField[end], addressField[family][end]);
}

/** For other source addresses on pods' devices. Link-local addresses are not in the sets and reach no further than the link. */
export function foreignSourceRules(
  names: { readonly all: string; readonly egress: string },
  of: readonly Family[] = families,
): NftRule[] {
  const control = goTo(chainNames.linkControl);
  const isLinkLocal = compare('ip6 saddr', '==', 'fe80::/10');
  const linkLocalRules: NftRule[] = [
    { matches: [isLinkLocal, isIn(names.egress, 'iifname')], verdict: control },
    { matches: [isLinkLocal], verdict: { kind: 'return' } },
  ];
  return [
    ...of.map((family) => ({ matches: [isUnspecified(family)], verdict: control })),
    ...(of.includes('ipv6') ? linkLocalRules : []),
    dropRule(isIn(names.all, 'iifname')),
    { matches: [], verdict: goTo(chainNames.wrongDevice.source) },
  ];
}

export function linkControlChain(devices: string, of: readonly Family[] = families): Chain {
  const passes = { kind: 'return' } as const;
  return {
    name: chainNames.linkControl,
    rules: [...linkControlRules(passes, of), ...addressRequestRules(passes, of), dropRule(isIn(devices, 'iifname'))],
  };
}

function isUnspecified(family: Family): Match {
  return compare(addressField[family].source, '==', family === 'ipv4' ? '0.0.0.0' : '::');
}
