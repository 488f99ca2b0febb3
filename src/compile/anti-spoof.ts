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

/** The names of sets of addresses that have a device. */
type AddressSets = Readonly<Record<Family, string>>;

/**
 * S1.15, S1.16: a pod's device lets in what comes from the pod's own addresses, and of the rest what keeps the link going. Passing is returning:
 * all of it is judged after that.
 *
 * Look-ups of one packet may see different states (S7.3), so what was looked up is looked up again in front of a drop. A device that
 * is found among the links, and its address not, may just have come, or may have left and be a stranger by then.
 */
export function guardRules(end: End, family: Family): NftRule[] {
  if (end === 'destination') return destinationRules([family], routedIpsSetName);
  return [{ matches: [isOfOther('source', family)], verdict: jumpTo(chainNames.antiSpoof) }];
}

/**
 * The same for what a map of owners does not have. That map loses an element before the sets do, so it says nothing of what they hold by then:
 * of a device that goes, either its address is looked up among the linked ones after it has left the owners, or it is still theirs.
 */
export function guardRuleOfOthers(end: End, family: Family): NftRule {
  if (end === 'source') return { matches: [], verdict: jumpTo(chainNames.antiSpoof) };
  const isRouted = isIn(routedIpsSetName[family], addressField[family].destination);
  return { matches: [isRouted, isOfOther('destination', family)], verdict: jumpTo(chainNames.wrongDevice.destination) };
}

/** What is for an address that has a device, and goes by another. */
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
      rules: [...strangerRules('source', of, guardedIpsSetName), ...nodeRules(family)],
    },
    // A packet to a bridged pod goes by the bridge, and which port that is the table of bridges sees.
    ...(guarded.includes('destination') ? [wrongDeviceChain('destination', of, routedIpsSetName)] : []),
  ];
}

export function wrongDeviceChain(
  end: End,
  of: readonly Family[] = families,
  linked: AddressSets = guardedIpsSetName,
): Chain {
  return { name: chainNames.wrongDevice[end], rules: strangerRules(end, of, linked) };
}

/**
 * A packet from a pod's address comes by that pod's device, or is dropped, whatever the other device is (S1.17): an uplink or a tunnel would
 * open a connection entry the wrong way round. What goes to a pod's address by a veth that is not known may go to a pod whose
 * rules are not there yet. Of a device that comes, the owner is looked up after the address; of one that goes, the address again after that.
 */
function strangerRules(end: End, of: readonly Family[], linked: AddressSets): NftRule[] {
  return of.map((family) => {
    const isLinked = isIn(linked[family], addressField[family][end]);
    return end === 'source'
      ? dropRule(isNotOfNode, isLinked, isOfOther(end, family), isLinked)
      : dropRule(isLinked, compare('meta oifkind', '==', 'veth'), isOfOther(end, family));
  });
}

/**
 * By no device does a packet come from an address of the node itself: answers to it would count as answers to the node (S5.1). The kernel
 * refuses such packets of IPv4 (fib_validate_source), and takes those of IPv6 (K8).
 */
function nodeRules(family: Family): NftRule[] {
  return family === 'ipv6' ? [dropRule(isNotOfNode, isIn(nodeIpsSetName, addressField.ipv6.source))] : [];
}

/** The kernel resets a connection of the node to a pod in the pod's name (S5.18): nobody else sends by the loopback device. */
const isNotOfNode = compare('iifname', '!=', 'lo');

function isOfOther(end: End, family: Family): Match {
  return isNotIn(ifIpsSetName[family], deviceField[end], addressField[family][end]);
}

/**
 * Where ports are not seen, link-local packets between them cannot be told apart: on a bridge with an isolated pod none passes but link
 * control, which is let through before (S1.16).
 */
export function closedBridgeRule(end: End): NftRule {
  return dropRule(compare(addressField.ipv6[end], '==', 'fe80::/10'), isIn(podIfSetNames.closed, deviceField[end]));
}

/** For the devices' own addresses. */
export function ownerRules(end: End, of: readonly Family[] = families): NftRule[] {
  const kind = end === 'source' ? 'return' : 'accept';
  return of.map((family) => ({ matches: [isOwn(end, family)], verdict: { kind } }));
}

export function isOwn(end: End, family: Family): Match {
  return isIn(ifIpsSetName[family], deviceField[end], addressField[family][end]);
}

/** For other addresses of pods' devices: link-local ones are whose they say, and reach no further than the link. */
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
