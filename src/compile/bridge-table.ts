import { families, familyOf, type Family } from '../model/address.ts';
import type { Chain, ElementVerdict, Field, Match, NftRule, Table, VerdictMap } from '../nftables/ruleset.ts';
import { routedTable } from '../nftables/ruleset.ts';
import type { PodPermissions } from './base-chains.ts';
import type { BuiltClass, FamilyClass } from './class-shape.ts';
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

/** Before connection tracking, so that it never sees a forged source. */
const preroutingPriority = -300;
/** Before bridge netfilter, which passes the frame to the ip and ip6 tables. */
const forwardPriority = -10;

interface BridgeFacts {
  readonly gatedRanges: readonly string[];
  /** Local addresses whose device is unknown. */
  readonly unlinked: readonly string[];
  /** The class of isolated pods without allow rules. */
  readonly noAllows: BuiltClass;
  readonly allowed: PodPermissions;
  /** nft can match the target address of neighbour discovery. */
  readonly readsTargets: boolean;
}

/**
 * S1.15, S1.16 for pods on a bridge, whose port the ip and ip6 tables do not see (K13). Rules check frames between ports when they enter and when
 * they leave the bridge. For frames that the node routes to a port, rules check that the port still belongs to the destination pod.
 */
export function bridgeTable(ports: readonly Device[], facts: BridgeFacts): Table {
  const { gatedRanges, unlinked, noAllows } = facts;
  const sets = [...portSets(ports), ...(gatedRanges.length > 0 ? unlinkedSets(unlinked) : [])];
  const chains = bridgeChains(ports, facts);
  const maps: VerdictMap[] = [];
  /** Names of the chains for denied multicast and broadcast frames. A pod gets no such frame from itself, so each chain only drops. */
  const denying = new Set<string>();
  for (const family of families) {
    const elements = new Map<string, ElementVerdict>();
    for (const port of ports) {
      const built = ingressClassOf(port, noAllows)?.families?.[family];
      if (!built) continue;
      elements.set(port.name, { kind: 'goto', chain: built.chains.original.chain.name });
      for (const { chains: ofClass, sets: read, lookups } of withNext(built)) {
        const { chain, ports: portMaps } = ofClass.original;
        sets.push(...read);
        chains.push(chain, ...portMaps.chains);
        maps.push(...portMaps.maps);
        denying.add(lookups.deny);
      }
    }
    maps.push({ name: multicastMapName[family], key: ['ifname'], interval: false, elements });
  }
  const known = new Set(chains.map(({ name }) => name));
  for (const name of denying) if (!known.has(name)) chains.push({ name, rules: [dropRule()] });
  return tableOf({ sets, maps, chains });
}

/** The class, and those that it leads to (docs/decisions/0036). */
function withNext(built: FamilyClass): Set<FamilyClass> {
  return new Set([built, ...built.next.flatMap((each) => [...withNext(each)])]);
}

/** A port whose addresses have different classes gets the class without allow rules. */
function ingressClassOf({ classes }: Device, noAllows: BuiltClass): BuiltClass | undefined {
  const [only, ...others] = classes.ingress;
  return others.length > 0 ? noAllows : only;
}

function bridgeChains(ports: readonly Device[], { gatedRanges, allowed, readsTargets }: BridgeFacts): Chain[] {
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
        // S5.1: the node must reach a pod that has just got its address, even while no agent runs.
        { matches: [{ kind: 'from-socket' }], verdict: { kind: 'accept' } },
        ...destinationRules(),
      ],
    },
    { name: chainNames.toPortFromNode, rules: deliverOwnRules() },
    { name: chainNames.toPort, rules: deliverRules(allowsRouters, readsTargets) },
    {
      name: chainNames.wrongDevice.source,
      rules: [...wrongDeviceChain('source').rules, ...wrongPortAnswerRules(readsTargets)],
    },
    wrongDeviceChain('destination'),
    ...(hasGate ? unprogrammedChains(gatedRanges, allowsRouters) : []),
  ];
}

/** The ip and ip6 tables do not see packets behind a VLAN tag. */
const dropOtherFrames = dropRule(compare('ether type', '!=', 'arp', 'ip', 'ip6'));

/** ICMPv6 needs more checks than addresses. */
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
 * A shortcut for most frames: it accepts only frames that the later rules would accept too. So rules for kinds of ports that do not exist can be
 * left out without a change of any verdict. A VLAN frame has an address too, but another ether type, and must not match here.
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
 * The same shortcut for destinations. If a frame is for the port's own pod, only the gate would still check its source, and it passes sources in the
 * gated ranges. Comparing an address with a range is cheaper than looking up the port.
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

/** The ether type comes last: nft omits it from a listing if it precedes an address match. */
function passRule(family: Family, ...matches: Match[]): NftRule {
  return { matches: [...matches, compare('ether type', '==', routedTable[family])], verdict: { kind: 'accept' } };
}

function sourceRules(allowsRouters: boolean, readsTargets: boolean): NftRule[] {
  const passes = { kind: 'return' } as const;
  const isOfOtherMac = isNotIn(portMacSetNames.macs, 'iifname', 'ether saddr');
  const isOfOtherLinkLocal = isNotIn(portLinkLocalSetName, 'iifname', 'ip6 saddr');
  return [
    dropOtherFrames,
    // The MAC is looked up again before the drop: a transaction may just have added it.
    dropRule(isOfOtherMac, isIn(portMacSetNames.ports, 'iifname'), isOfOtherMac),
    ...(allowsRouters ? [] : [...families.map(addressServerRule), routerRule('ipv6')]),
    ...(readsTargets ? targetRules() : []),
    // If a pod's MAC is known, its link-local address must be the one derived from that MAC.
    dropRule(
      compare('ip6 saddr', '==', 'fe80::/10'),
      isOfOtherLinkLocal,
      isIn(portMacSetNames.ports, 'iifname'),
      isOfOtherLinkLocal,
    ),
    ...ownerRules('source'),
    dropRule(isArp, isLongArp),
    { matches: [isIn(ifIpsSetName.ipv4, 'iifname', 'arp saddr ip')], verdict: passes },
    // Only probes for the pod's own address: a starting pod gives up its address if another pod probes for it (RFC 5227).
    {
      matches: [compare('arp saddr ip', '==', '0.0.0.0'), isIn(ifIpsSetName.ipv4, 'iifname', 'arp daddr ip')],
      verdict: passes,
      comment: 'ARP probe',
    },
    ...foreignSourceRules(portSetNames),
  ];
}

/**
 * A pod may advertise and probe for its own addresses only: a starting pod gives up an address that another pod probes for (RFC 4862, 5.4.3).
 * If a pod's MAC is known, its link-local address must be the one derived from that MAC.
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
 * Drops ARP and neighbour advertisements for a pod's address from another port (S1.18). The address is looked up again: a transaction may just have
 * removed the port. ARP from an unknown veth passes: a new pod may have the address now, and its node must reach it even while no agent runs.
 */
function wrongPortAnswerRules(readsTargets: boolean): NftRule[] {
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

/** Multicast and broadcast of the node's own sockets pass (S5.1). Unicast frames must be for the pod of the port (S1.18). */
function deliverOwnRules(): NftRule[] {
  const accept = { kind: 'accept' } as const;
  return [
    { matches: [{ kind: 'from-socket' }, { kind: 'group-mac' }], verdict: accept },
    { matches: [{ kind: 'from-socket' }, compare('ip6 daddr', '==', 'fe80::/10')], verdict: accept },
    { matches: [], verdict: goTo(chainNames.toPort) },
  ];
}

/**
 * Frames to a port: unicast must be for the port's pod, and the pod's ingress rules judge multicast and broadcast. The ip and ip6 tables judge
 * unicast by address. Link control goes to its target only (S5.20): solicitations to the pod with the address, and messages for routers and
 * DHCP servers to no pod.
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

/** ARP requests go to the pod with the address, replies to the pod that asked, announcements to all. */
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

/** Drops messages of pods to routers and DHCP servers. */
function forRoutersRules(isFromPort: Match): NftRule[] {
  return [
    compare('icmpv6 type', '==', '130', '131', '132', '133', '134', '137', '143'),
    compare('ip protocol', '==', '2'),
    compare('ip saddr', '==', '0.0.0.0'),
    compare('ip6 daddr', '==', 'ff02::1:2'),
  ].map((match) => dropRule(match, isFromPort));
}
