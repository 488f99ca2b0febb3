import { families, familyOf, type Family } from '../model/address.ts';
import type { Chain, ElementVerdict, Field, Match, NftRule, Table, VerdictMap } from '../nftables/ruleset.ts';
import { routedTable } from '../nftables/ruleset.ts';
import type { PodPermissions } from './base-chains.ts';
import type { BuiltClass } from './class-shape.ts';
import { valueOf } from './gate.ts';
import {
  destinationRules,
  foreignSourceRules,
  isOwn,
  linkControlChain,
  ownerRules,
  wrongDeviceChain,
} from './anti-spoof.ts';
import {
  addressRequestRules,
  addressServerRule,
  isNotForClient,
  linkControlRules,
  longestNeighbourMessage,
  routerRule,
} from './link-control.ts';
import { hasMac, portSets, type Device } from './links.ts';
import { unprogrammedChains, unprogrammedJumps, unlinkedSets } from './unprogrammed.ts';
import { addressField, compare, dropRule, goTo, isIn, isNotIn } from './match.ts';
import {
  chainNames,
  guardedIpsSetName,
  portLinkLocalSetName,
  portMacSetNames,
  multicastMapName,
  ifIpsSetName,
  portSetNames,
  portMacIpsSetName,
  portIpsSetName,
} from './names.ts';
import { tableOf } from './table.ts';

/** In front of connection tracking, which is then told of no forged source. */
const preroutingPriority = -300;
/** In front of bridge netfilter, which hands the frame to our other table. */
const forwardPriority = -10;

interface BridgeSurroundings {
  readonly gatedRanges: readonly string[];
  /** Local addresses whose device is not known. */
  readonly unlinked: readonly string[];
  /** The class of what is isolated and allows nothing. */
  readonly noAllows: BuiltClass;
  readonly allowed: PodPermissions;
  /** nft knows what neighbour discovery is about. */
  readonly readsTargets: boolean;
}

/**
 * S1.15, S1.16 for pods on a bridge, whose port the other table does not see (K13). Frames between ports are looked at when they come in
 * and when they go out; of what the node routes there, whether the port is still that of the pod by whose rules it was judged.
 */
export function bridgeTable(ports: readonly Device[], surroundings: BridgeSurroundings): Table {
  const { gatedRanges, unlinked, noAllows } = surroundings;
  const sets = [...portSets(ports), ...(gatedRanges.length > 0 ? unlinkedSets(unlinked) : [])];
  const chains = bridgeChains(ports, surroundings);
  const maps: VerdictMap[] = [];
  let isDenied = false;
  for (const family of families) {
    const elements = new Map<string, ElementVerdict>();
    for (const port of ports) {
      const built = ingressClassOf(port, noAllows)?.families?.[family];
      if (!built) continue;
      const { chain, ports: portMaps } = built.chains.original;
      elements.set(port.name, { kind: 'goto', chain: chain.name });
      sets.push(...built.sets);
      chains.push(chain, ...portMaps.chains);
      maps.push(...portMaps.maps);
      isDenied = true;
    }
    maps.push({ name: multicastMapName[family], key: ['ifname'], interval: false, elements });
  }
  if (isDenied) chains.push({ name: chainNames.deny.ingress, rules: [dropRule()] });
  return tableOf({ sets, maps, chains });
}

/** A port that is of no one class gets what all of them allow: nothing. */
function ingressClassOf({ classes }: Device, noAllows: BuiltClass): BuiltClass | undefined {
  const [only, ...others] = classes.ingress;
  return others.length > 0 ? noAllows : only;
}

function bridgeChains(ports: readonly Device[], { gatedRanges, allowed, readsTargets }: BridgeSurroundings): Chain[] {
  const allowsRouters = allowed.routers === true;
  const isFromPort = isIn(portSetNames.all, 'iifname');
  const isToPort = isIn(portSetNames.all, 'oifname');
  const hasGate = gatedRanges.length > 0;
  return [
    {
      name: 'prerouting',
      base: { hook: 'prerouting', priority: preroutingPriority },
      rules: [
        ...families.flatMap((family) => senderRules(family, ports, allowsRouters)),
        { matches: [isFromPort], verdict: goTo(chainNames.portSources) },
        { matches: [], verdict: goTo(chainNames.wrongDevice.source) },
      ],
    },
    { name: chainNames.portSources, rules: sourceRules(allowsRouters, readsTargets) },
    linkControlChain(portSetNames.all),
    {
      name: 'forward',
      base: { hook: 'forward', priority: forwardPriority },
      rules: [
        ...forwardedRules(gatedRanges),
        ...(hasGate ? unprogrammedJumps() : []),
        { matches: [isToPort], verdict: goTo(chainNames.toPort) },
        { matches: [], verdict: goTo(chainNames.wrongDevice.destination) },
      ],
    },
    {
      name: 'output',
      base: { hook: 'output', priority: forwardPriority },
      rules: [
        ...families.map((family) => passRule(family, isOwn('destination', family))),
        { matches: [isToPort], verdict: goTo(chainNames.toPortFromNode) },
        // S5.1: a pod that has just got its address must hear its node, also while no agent runs.
        { matches: [{ kind: 'from-socket' }], verdict: { kind: 'accept' } },
        ...destinationRules(),
      ],
    },
    { name: chainNames.toPortFromNode, rules: deliverOwnRules() },
    { name: chainNames.toPort, rules: deliverRules(allowsRouters, readsTargets) },
    {
      name: chainNames.wrongDevice.source,
      rules: [...wrongDeviceChain('source').rules, ...strangerAnswerRules(readsTargets)],
    },
    wrongDeviceChain('destination'),
    ...(hasGate ? unprogrammedChains(gatedRanges, allowsRouters) : []),
  ];
}

/** Behind a VLAN tag no rule of the other table would look. */
const dropOtherFrames = dropRule(compare('ether type', '!=', 'arp', 'ip', 'ip6'));

/** ICMPv6 has more to be looked at than addresses. */
const isNotIcmp6 = compare('meta l4proto', '!=', '58');
const isAdvertisement = compare('icmpv6 type', '==', '136');
const isSolicitation = compare('icmpv6 type', '==', '135');
const isLinkLocalTarget = compare('icmpv6 taddr', '==', 'fe80::/10');
const isNotLinkLocalTarget = compare('icmpv6 taddr', '!=', 'fe80::/10');
const isShort: Match = { kind: 'length', op: '<=', bytes: longestNeighbourMessage };
const isArp = compare('ether type', '==', 'arp');
/** RFC 826 needs 28 bytes for IPv4; the shortest frame has room for 46. */
const isLongArp: Match = { kind: 'length', op: '>', bytes: 46 };

/**
 * Most frames pass by these: what they find in one state of the table, all the rules after them would pass in that state. So the rules for ports that
 * there are none of are left out, and no frame meets another verdict for it. A frame with a VLAN tag has an address too, and is of another
 * type: it must not end here.
 */
function senderRules(family: Family, ports: readonly Device[], allowsRouters: boolean): NftRule[] {
  const kinds: { sets: Readonly<Record<Family, string>>; fields: Field[] }[] = [
    ...(ports.some(hasMac) ? [{ sets: portMacIpsSetName, fields: ['iifname', 'ether saddr'] satisfies Field[] }] : []),
    ...(ports.every(hasMac) ? [] : [{ sets: portIpsSetName, fields: ['iifname'] satisfies Field[] }]),
  ];
  return kinds.map(({ sets, fields }) =>
    passRule(
      family,
      ...(family === 'ipv6' ? [isNotIcmp6] : []),
      isIn(sets[family], ...fields, addressField[family].source),
      ...(allowsRouters ? [] : [isNotForClient(family)]),
    ),
  );
}

/**
 * The same for where they go. After these rules the gate alone asks where a frame to the pod of its port comes from, and it passes what comes from
 * its ranges. To compare an address with a range costs less than to look up the port.
 */
function forwardedRules(gatedRanges: readonly string[]): NftRule[] {
  return families.flatMap((family) => {
    const isReceiver = isOwn('destination', family);
    if (gatedRanges.length === 0) return [passRule(family, isReceiver)];
    const ranges = gatedRanges.filter((range) => familyOf(range) === family);
    if (ranges.length === 0) return [passRule(family, isReceiver, isIn(portSetNames.all, 'iifname'))];
    const { source } = addressField[family];
    return ranges.map((range) => passRule(family, compare(source, '==', valueOf(range)), isReceiver));
  });
}

/** The type last: nft leaves it out of a listing where it stands in front of an address. */
function passRule(family: Family, ...matches: Match[]): NftRule {
  return { matches: [...matches, compare('ether type', '==', routedTable[family])], verdict: { kind: 'accept' } };
}

function sourceRules(allowsRouters: boolean, readsTargets: boolean): NftRule[] {
  const passes = { kind: 'return' } as const;
  const isOfOtherMac = isNotIn(portMacSetNames.macs, 'iifname', 'ether saddr');
  const isOfOtherLinkLocal = isNotIn(portLinkLocalSetName, 'iifname', 'ip6 saddr');
  return [
    dropOtherFrames,
    // Looked up again in front of the drop: the MAC may just have become known.
    dropRule(isOfOtherMac, isIn(portMacSetNames.ports, 'iifname'), isOfOtherMac),
    ...(allowsRouters ? [] : [...families.map(addressServerRule), routerRule('ipv6')]),
    ...(readsTargets ? targetRules() : []),
    // A pod's link-local address is the one that its MAC makes, where that is known.
    dropRule(
      compare('ip6 saddr', '==', 'fe80::/10'),
      isOfOtherLinkLocal,
      isIn(portMacSetNames.ports, 'iifname'),
      isOfOtherLinkLocal,
    ),
    ...ownerRules('source'),
    dropRule(isArp, isLongArp),
    { matches: [isIn(ifIpsSetName.ipv4, 'iifname', 'arp saddr ip')], verdict: passes },
    // Asked for another's address, a pod that starts would give it up (RFC 5227).
    {
      matches: [compare('arp saddr ip', '==', '0.0.0.0'), isIn(ifIpsSetName.ipv4, 'iifname', 'arp daddr ip')],
      verdict: passes,
      comment: 'ARP probe',
    },
    ...foreignSourceRules(portSetNames),
  ];
}

/**
 * A pod advertises its own addresses, and probes for its own alone: a pod that starts gives up one that another probes for (RFC 4862, 5.4.3). Its
 * link-local address is the one that its MAC makes, where that is known.
 */
function targetRules(): NftRule[] {
  const isFromPort = isIn(portSetNames.all, 'iifname');
  const isOfOthers = isNotIn(ifIpsSetName.ipv6, 'iifname', 'icmpv6 taddr');
  return [
    dropRule(isAdvertisement, isNotLinkLocalTarget, isOfOthers, isFromPort),
    dropRule(
      isAdvertisement,
      isLinkLocalTarget,
      isNotIn(portLinkLocalSetName, 'iifname', 'icmpv6 taddr'),
      isIn(portMacSetNames.ports, 'iifname'),
      isNotIn(portLinkLocalSetName, 'iifname', 'icmpv6 taddr'),
    ),
    dropRule(isSolicitation, compare('ip6 saddr', '==', '::'), isNotLinkLocalTarget, isOfOthers, isFromPort),
  ];
}

/**
 * By another port nobody answers for a pod's address (S1.18). The address is looked up again: its port may just have gone. A veth that is not
 * known may be the port of a pod that has just got the address: its node must reach it, also while no agent runs, and by ARP finds it.
 */
function strangerAnswerRules(readsTargets: boolean): NftRule[] {
  const isLinkedSender = isIn(guardedIpsSetName.ipv4, 'arp saddr ip');
  const isLinkedTarget = isIn(guardedIpsSetName.ipv6, 'icmpv6 taddr');
  const advertised = dropRule(
    isAdvertisement,
    isLinkedTarget,
    isNotIn(ifIpsSetName.ipv6, 'iifname', 'icmpv6 taddr'),
    isLinkedTarget,
  );
  return [
    ...(readsTargets ? [advertised] : []),
    { matches: [compare('meta iifkind', '==', 'veth')], verdict: { kind: 'return' } },
    dropRule(isLinkedSender, isNotIn(ifIpsSetName.ipv4, 'iifname', 'arp saddr ip'), isLinkedSender),
  ];
}

/** What the node's own sockets send to everyone is not judged (S5.1); unicast is for the pod of the port alone (S1.18). */
function deliverOwnRules(): NftRule[] {
  const accept = { kind: 'accept' } as const;
  return [
    { matches: [{ kind: 'from-socket' }, { kind: 'group-mac' }], verdict: accept },
    { matches: [{ kind: 'from-socket' }, compare('ip6 daddr', '==', 'fe80::/10')], verdict: accept },
    { matches: [], verdict: goTo(chainNames.toPort) },
  ];
}

/**
 * By address the other table judges. Here a pod gets what is for it, and of what is for many, what its ingress rules allow. Link control goes
 * to whom it is for (S5.20): questions to the pod that is asked for, and what is for routers and address servers to no pod.
 */
function deliverRules(allowsRouters: boolean, readsTargets: boolean): NftRule[] {
  const accept = { kind: 'accept' } as const;
  const isForMany = compare('meta pkttype', '==', 'broadcast', 'multicast');
  const isFromPort = isIn(portSetNames.all, 'iifname');
  const isToPort = isIn(portSetNames.all, 'oifname');
  return [
    dropOtherFrames,
    ...ownerRules('destination'),
    ...arpRules(),
    ...(readsTargets ? [[isIn(ifIpsSetName.ipv6, 'oifname', 'icmpv6 taddr')], [isLinkLocalTarget]] : [[]]).map(
      (asked): NftRule => ({ matches: [isSolicitation, ...asked, isShort], verdict: accept }),
    ),
    { matches: [isAdvertisement, isShort], verdict: accept },
    dropRule(compare('icmpv6 type', '==', '135', '136'), isToPort),
    ...(allowsRouters ? [] : forRoutersRules(isFromPort)),
    ...linkControlRules(accept),
    ...(allowsRouters ? addressRequestRules(accept) : []),
    {
      matches: [compare('ip6 daddr', '==', 'fe80::/10'), isNotIn(portSetNames.ingress, 'oifname')],
      verdict: accept,
    },
    ...families.map((family): NftRule => {
      const isOfFamily = compare('ether type', '==', routedTable[family]);
      return {
        matches: [isForMany, isOfFamily],
        verdict: { kind: 'vmap', key: ['oifname'], map: multicastMapName[family] },
      };
    }),
    { matches: [isForMany], verdict: accept },
    dropRule(isToPort),
    { matches: [], verdict: goTo(chainNames.wrongDevice.destination) },
  ];
}

/** A question goes to the pod that it is about, and an answer to the one that asked; what a pod says of itself may concern all. */
function arpRules(): NftRule[] {
  const accept = { kind: 'accept' } as const;
  const isToPort = isIn(portSetNames.all, 'oifname');
  return [
    dropRule(isArp, isLongArp, isToPort),
    { matches: [isIn(ifIpsSetName.ipv4, 'oifname', 'arp daddr ip')], verdict: accept },
    { matches: [isIn(ifIpsSetName.ipv4, 'iifname', 'arp daddr ip')], verdict: accept, comment: 'ARP announcement' },
    {
      matches: [isNotIn(guardedIpsSetName.ipv4, 'arp daddr ip'), isNotIn(portSetNames.all, 'iifname')],
      verdict: accept,
    },
    dropRule(isArp, isToPort),
  ];
}

/** What pods send to routers and address servers. */
function forRoutersRules(isFromPort: Match): NftRule[] {
  return [
    compare('icmpv6 type', '==', '130', '131', '132', '133', '134', '137', '143'),
    compare('ip protocol', '==', '2'),
    compare('ip saddr', '==', '0.0.0.0'),
    compare('ip6 daddr', '==', 'ff02::1:2'),
  ].map((match) => dropRule(match, isFromPort));
}
