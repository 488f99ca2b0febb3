import { families } from '../model/address.ts';
import type { Chain, ElementVerdict, Match, NftRule, Table, VerdictMap } from '../nftables/ruleset.ts';
import { routedTable } from '../nftables/ruleset.ts';
import type { BuiltClass } from './class-shape.ts';
import { destinationRules, foreignSourceRules, isOwn, linkControlChain, ownerRules, strangersChain } from './guard.ts';
import { addressRequestRules, linkControlRules } from './link-control.ts';
import { portSets, type Device } from './links.ts';
import { newcomerChains, newcomerJumps, unlinkedSets } from './newcomers.ts';
import { compare, dropRule, goTo, isIn, isNotIn } from './match.ts';
import { chainNames, multicastMapName, ownersSetName, portSetNames } from './names.ts';
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
}

/**
 * S1.15, S1.16 for pods on a bridge, whose port the other table does not see. Frames between ports are looked at when they come in
 * and when they go out; of what the node routes there, whether the port is still that of the pod by whose rules it was judged.
 */
export function bridgeTable(ports: readonly Device[], { gatedRanges, unlinked, noAllows }: BridgeSurroundings): Table {
  const sets = [...portSets(ports), ...(gatedRanges.length > 0 ? unlinkedSets(unlinked) : [])];
  const chains = bridgeChains(gatedRanges);
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

function bridgeChains(gatedRanges: readonly string[]): Chain[] {
  return [
    {
      name: 'prerouting',
      base: { hook: 'prerouting', priority: preroutingPriority },
      rules: [
        ...ownRules('source'),
        { matches: [isIn(portSetNames.all, 'iifname')], verdict: goTo(chainNames.sources) },
        { matches: [], verdict: goTo(chainNames.strangers.source) },
      ],
    },
    { name: chainNames.sources, rules: sourceRules() },
    linkControlChain(portSetNames.all),
    {
      name: 'forward',
      base: { hook: 'forward', priority: forwardPriority },
      rules: [
        ...ownRules('destination', isIn(portSetNames.all, 'iifname')),
        ...(gatedRanges.length > 0 ? newcomerJumps() : []),
        { matches: [isIn(portSetNames.all, 'oifname')], verdict: goTo(chainNames.deliver) },
        { matches: [], verdict: goTo(chainNames.strangers.destination) },
      ],
    },
    {
      name: 'output',
      base: { hook: 'output', priority: forwardPriority },
      rules: [
        // S5.1.
        { matches: [{ kind: 'from-socket' }], verdict: { kind: 'accept' } },
        ...destinationRules(),
      ],
    },
    { name: chainNames.deliver, rules: deliverRules() },
    strangersChain('source'),
    strangersChain('destination'),
    ...(gatedRanges.length > 0 ? newcomerChains(gatedRanges) : []),
  ];
}

/** Behind a VLAN tag no rule of the other table would look. */
const dropOtherFrames = dropRule(compare('ether type', '!=', 'arp', 'ip', 'ip6'));

/**
 * Most frames pass by these: what they find in one state of the table, all the rules after them would pass in that state. A frame with a VLAN tag
 * has an address too, and is of another type: it must not end here.
 */
function ownRules(end: 'source' | 'destination', ...others: Match[]): NftRule[] {
  return families.map((family) => ({
    // The type last: nft leaves it out of a listing where it stands in front of an address.
    matches: [isOwn(end, family), ...others, compare('ether type', '==', routedTable[family])],
    verdict: { kind: 'accept' },
  }));
}

function sourceRules(): NftRule[] {
  const passes = { kind: 'return' } as const;
  return [
    dropOtherFrames,
    ...ownerRules('source'),
    { matches: [isIn(ownersSetName.ipv4, 'iifname', 'arp saddr ip')], verdict: passes },
    { matches: [compare('arp saddr ip', '==', '0.0.0.0')], verdict: passes, comment: 'ARP probe' },
    ...foreignSourceRules(portSetNames),
  ];
}

/** By address the other table judges. Here a pod gets what is for it, and of what is for many, what its ingress rules allow. */
function deliverRules(): NftRule[] {
  const accept = { kind: 'accept' } as const;
  const isForMany = compare('meta pkttype', '==', 'broadcast', 'multicast');
  return [
    dropOtherFrames,
    ...ownerRules('destination'),
    { matches: [compare('ether type', '==', 'arp')], verdict: accept },
    ...linkControlRules(accept),
    ...addressRequestRules(accept),
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
    dropRule(isIn(portSetNames.all, 'oifname')),
    { matches: [], verdict: goTo(chainNames.strangers.destination) },
  ];
}
