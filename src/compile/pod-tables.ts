import {
  families,
  familyOf,
  holdsAddress,
  mergeRanges,
  parseAddress,
  parseCidr,
  type Family,
} from '../model/address.ts';
import type { NodeAddresses } from '../model/cluster.ts';
import { directions, type Direction } from '../model/policy.ts';
import {
  catchAll,
  routedTable,
  type Chain,
  type ElementVerdict,
  type Field,
  type Hook,
  type NftRule,
  type NftSet,
  type Ruleset,
  type Table,
  type VerdictMap,
} from '../nftables/ruleset.ts';
import {
  auditRule,
  hookPriority,
  isError,
  isNew,
  isRelated,
  jumpToNotEstablished,
  longestError,
  tunnelRules,
  type PodPermissions,
} from './base-chains.ts';
import { partsOfAudit, partsOfClass } from './class-shape.ts';
import { addressRequestRules, linkControlRules, routerRule } from './link-control.ts';
import type { AddressClasses } from './links.ts';
import { addressField, compare, deviceField, dropRule, endFields, goTo, isIn, isNotIn, jumpTo } from './match.ts';
import {
  auditMapName,
  chainNames,
  guardedIpsSetName,
  isolationMapName,
  nodesSetName,
  ownNodeSetName,
  readings,
  selfSetName,
  type CtDirection,
  type Reading,
} from './names.ts';
import { addressSet, addressType, pairSet } from './set-builder.ts';
import { tableOf, type Parts } from './table.ts';

/** A network namespace of a pod whose packets cross no hook of the node. */
export interface PodPlace {
  /** The classes of the pod. All packets in the namespace are the pod's, whatever their address is. */
  readonly classes: AddressClasses;
  /** What finds packets that policies in audit would deny. */
  readonly audits: AddressClasses;
  /** All addresses of the pod on its interfaces. */
  readonly addresses: readonly string[];
  /** Devices whose packets this node judges, and not the rules in the namespace. */
  readonly judgedByNode: readonly JudgedDevice[];
  readonly nodes: NodeAddresses;
}

/** A device by its name and its kind: a pod with NET_ADMIN can give a device any name, but not the kind of another. */
export interface JudgedDevice {
  readonly name: string;
  readonly kind: string;
}

export interface PodRuleOptions {
  /** Whether the pod may send from its own addresses only (S1.15). */
  readonly guard: boolean;
  readonly allowed: PodPermissions;
}

/**
 * The tables in the network namespace of a pod, around the same class chains as on the node. What arrives at the input hook has the pod as receiver, and what leaves
 * by the output hook has it as sender. So a catch-all element leads to the class, and no address need be known. Packets that the pod forwards meet both.
 */
export function podTables(place: PodPlace, options: PodRuleOptions): Ruleset {
  return Object.fromEntries(families.map((family) => [routedTable[family], podTable(family, place, options)]));
}

/** Where a packet meets the rules: on its way into the pod, or out of it. */
type Way = 'in' | 'out';
const ways = ['in', 'out'] as const;

const chainOf = {
  forwarded: { in: 'forwarded-in', out: 'forwarded-out' },
  entry: { in: 'arrivals', out: 'departures' },
  judged: { in: 'judged-in', out: 'judged-out' },
  replies: { in: 'replies-in', out: 'replies-out' },
  errors: { in: 'icmp-errors-in', out: 'icmp-errors-out' },
  repliesOfErrors: { in: 'icmp-errors-in-r', out: 'icmp-errors-out-r' },
  notEstablished: { in: 'not-established', out: 'not-established-out' },
} as const satisfies Record<string, Record<Way, string>>;

const deviceFields = {
  in: { name: deviceField.source, kind: 'meta iifkind', type: 'meta iiftype' },
  out: { name: deviceField.destination, kind: 'meta oifkind', type: 'meta oiftype' },
} as const satisfies Record<Way, Record<string, Field>>;
const isReply = compare('ct direction', '==', 'reply');
const accept = { kind: 'accept' } as const;

/** The direction of the pod's policies that decides about a packet that passes this way. */
function directionOf(way: Way, ctDirection: CtDirection): Direction {
  return (way === 'in') === (ctDirection === 'original') ? 'ingress' : 'egress';
}

function podTable(family: Family, place: PodPlace, options: PodRuleOptions): Table {
  const { classes, audits, addresses, judgedByNode, nodes } = place;
  const own = addresses.filter((address) => familyOf(address) === family);
  const parts = classParts(family, classes);
  const ofAudits = auditParts(family, audits);
  const ofNodes = nodeSetsOf(nodes)[family];
  const { guard, allowed } = options;
  const audited = directions.filter((direction) => audits[direction]?.families);
  const sets: NftSet[] = [
    ...new Set([...parts.sets, ...ofAudits.sets]),
    ofNodes.own,
    ...(allowed.tunnels === true ? [] : [ofNodes.all]),
    ...(guard ? [addressSet(guardedIpsSetName[family], family, own)] : []),
    ...(parts.chains.length + ofAudits.chains.length > 0 ? [pairSet(selfSetName[family], family, own)] : []),
  ];
  const chains: Chain[] = [
    ...baseChains(family, judgedByNode, options),
    ...ways.flatMap((way) => wayChains(family, way, options, audited)),
    ...midstreamChains(family),
    ...parts.chains,
    ...ofAudits.chains,
  ];
  return tableOf({ sets, maps: [...parts.maps, ...ofAudits.maps, midstreamMap(family, classes)], chains });
}

/** The objects of the audits, and the maps with one element each that lead to them. */
function auditParts(family: Family, audits: AddressClasses): Parts {
  const found = directions.flatMap((direction): Parts[] => {
    const built = audits[direction]?.families?.[family];
    if (!built) return [];
    const parts = partsOfAudit({ direction, family }, built);
    const verdict: ElementVerdict = { kind: 'jump', chain: built.chains.original.chain.name };
    return [{ ...parts, maps: [...parts.maps, catchAllMap(auditMapName(direction, family), family, verdict)] }];
  });
  return {
    sets: found.flatMap(({ sets }) => sets),
    maps: found.flatMap(({ maps }) => maps),
    chains: [...new Set(found.flatMap(({ chains }) => chains))],
  };
}

/** The objects of the classes, and the maps with one element each that lead to them. */
function classParts(family: Family, classes: AddressClasses): { sets: NftSet[]; maps: VerdictMap[]; chains: Chain[] } {
  const sets: NftSet[] = [];
  const maps: VerdictMap[] = [];
  const chains = new Set<Chain>();
  for (const direction of directions) {
    const built = classes[direction]?.families?.[family];
    for (const reading of readings) {
      const verdict: ElementVerdict = built
        ? { kind: 'jump', chain: built.chains[reading].chain.name }
        : { kind: 'continue' };
      maps.push(catchAllMap(isolationMapName(direction, family, reading), family, verdict));
    }
    if (!built) continue;
    const parts = partsOfClass({ direction, family }, built);
    sets.push(...parts.sets);
    maps.push(...parts.maps);
    for (const chain of parts.chains) chains.add(chain);
  }
  return { sets, maps, chains: [...chains] };
}

function catchAllMap(name: string, family: Family, verdict: ElementVerdict): VerdictMap {
  return { name, key: [addressType[family]], interval: false, elements: new Map([[catchAll, verdict]]) };
}

const midstreamMapName = { ipv4: 'midstream4', ipv6: 'midstream6' } as const;

/** With an isolated pod, a connection that conntrack picked up in mid-stream must start anew (S5.18). */
function midstreamMap(family: Family, { ingress, egress }: AddressClasses): VerdictMap {
  const verdict: ElementVerdict =
    ingress || egress ? { kind: 'goto', chain: chainNames.resetTcp } : { kind: 'continue' };
  return catchAllMap(midstreamMapName[family], family, verdict);
}

function baseChains(family: Family, judgedByNode: readonly JudgedDevice[], { guard }: PodRuleOptions): Chain[] {
  const { source, destination } = addressField[family];
  const base = (name: string, hook: Hook, rules: NftRule[]): Chain => ({
    name,
    base: { hook, priority: hookPriority },
    rules,
  });
  const enter = (way: Way): NftRule => ({ matches: [], verdict: goTo(chainOf.entry[way]) });
  // A rule of the pod may have sent the packet back to the pod itself, which the output device does not show yet. Nobody else accepts such a packet.
  const toItself = compare(destination, '==', family === 'ipv4' ? '127.0.0.0/8' : '::1');
  const isForeign = isNotIn(guardedIpsSetName[family], source);
  const ofGuard: NftRule[] = guard ? [{ matches: [isForeign], verdict: jumpTo(chainNames.antiSpoof) }] : [];
  return [
    base('input', 'input', [...skips('in', judgedByNode, accept), enter('in')]),
    base('output', 'output', [
      ...skips('out', judgedByNode, accept),
      { matches: [toItself], verdict: accept },
      ...addressRequestRules(accept, [family]),
      ...ofGuard,
      enter('out'),
    ]),
    base(
      'forwarded',
      'forward',
      ways.map((way) => ({ matches: [], verdict: jumpTo(chainOf.forwarded[way]) })),
    ),
    ...ways.map((way) => ({
      name: chainOf.forwarded[way],
      rules: [...skips(way, judgedByNode, { kind: 'return' }), enter(way)],
    })),
    ...(guard ? guardChains(family) : []),
  ];
}

/**
 * For packets of devices that are not judged here. A physical device has no kind, and a match that reads it fails also with `!=`: so these rules say what is left out,
 * and all that they do not name is judged.
 */
function skips(way: Way, judgedByNode: readonly JudgedDevice[], verdict: NftRule['verdict']): NftRule[] {
  const { name, kind, type } = deviceFields[way];
  return [
    { matches: [compare(type, '==', 'loopback')], verdict },
    ...judgedByNode.map((device): NftRule => {
      return { matches: [compare(name, '==', device.name), compare(kind, '==', device.kind)], verdict };
    }),
  ];
}

/** For sources that are not the pod's. A link-local address is judged: it is in no group. */
function guardChains(family: Family): Chain[] {
  const { source } = addressField[family];
  const unspecified = compare(source, '==', family === 'ipv4' ? '0.0.0.0' : '::');
  const isLinkLocal = compare('ip6 saddr', '==', 'fe80::/10');
  const linkLocal: NftRule[] = family === 'ipv6' ? [{ matches: [isLinkLocal], verdict: { kind: 'return' } }] : [];
  return [
    {
      name: chainNames.antiSpoof,
      rules: [{ matches: [unspecified], verdict: goTo(chainNames.linkControl) }, ...linkLocal, dropRule()],
    },
    { name: chainNames.linkControl, rules: [...linkControlRules(accept, [family]), dropRule()] },
  ];
}

function wayChains(family: Family, way: Way, { allowed }: PodRuleOptions, audited: readonly Direction[]): Chain[] {
  const { destination } = addressField[family];
  const tunnels = way === 'out' && allowed.tunnels !== true ? tunnelRules(isIn(nodesSetName[family], destination)) : [];
  const routers = way === 'out' && allowed.routers !== true ? [routerRule(family)] : [];
  const notEstablished = jumpToNotEstablished.matches;
  const [original, reply] = (['original', 'reply'] as const).map((each) => directionOf(way, each)) as [
    Direction,
    Direction,
  ];
  return [
    {
      name: chainOf.entry[way],
      rules: [
        ...tunnels,
        { matches: [isError[family], isRelated], verdict: goTo(chainOf.errors[way]) },
        { matches: notEstablished, verdict: jumpTo(chainOf.notEstablished[way]) },
        { matches: [], verdict: goTo(chainOf.judged[way]) },
      ],
    },
    {
      name: chainOf.judged[way],
      rules: [
        ...branch(family, original, 'original', chainOf.replies[way]),
        ...(audited.includes(original) ? [auditRule(original, family)] : []),
      ],
    },
    { name: chainOf.replies[way], rules: judge(family, reply, 'reply') },
    // S5.19. The direction of an error is that of the packet that it answers, reversed. So it tells as well which end opened the connection.
    {
      name: chainOf.errors[way],
      rules: [
        { matches: [{ kind: 'length', op: '>', bytes: longestError[family] }], verdict: goTo(chainOf.judged[way]) },
        ...branch(family, original, 'error', chainOf.repliesOfErrors[way]),
      ],
    },
    { name: chainOf.repliesOfErrors[way], rules: judge(family, reply, 'error') },
    {
      name: chainOf.notEstablished[way],
      rules: [
        // The reset that a rule below sends belongs to a connection.
        { matches: [isRelated, { kind: 'tcp-not-syn' }], verdict: accept },
        { matches: [isNew, { kind: 'tcp-not-syn' }], verdict: goTo(chainNames.midstream.any) },
        { matches: [compare('meta l4proto', '==', 'tcp')], verdict: { kind: 'return' } },
        ...routers,
        ...linkControlRules(accept, [family]),
        { matches: [isNew, { kind: 'sctp-not-init' }], verdict: goTo(chainNames.midstream.any) },
      ],
    },
  ];
}

function branch(family: Family, direction: Direction, reading: Reading, replies: string): NftRule[] {
  return [{ matches: [isReply], verdict: goTo(replies) }, ...judge(family, direction, reading)];
}

/** Leads to the class of the pod. Connections of its own node pass first (S5.1). */
function judge(family: Family, direction: Direction, reading: Reading): NftRule[] {
  const { pod, peer } = endFields(direction, family, reading);
  const ofNode: NftRule[] =
    direction === 'ingress' ? [{ matches: [isIn(ownNodeSetName[family], peer)], verdict: { kind: 'return' } }] : [];
  return [
    ...ofNode,
    { matches: [], verdict: { kind: 'vmap', key: [pod], map: isolationMapName(direction, family, reading) } },
  ];
}

function midstreamChains(family: Family): Chain[] {
  const key = [addressField[family].source];
  return [
    {
      name: chainNames.midstream.any,
      rules: [{ matches: [], verdict: { kind: 'vmap', key, map: midstreamMapName[family] } }],
    },
    { name: chainNames.resetTcp, rules: [{ matches: [], verdict: { kind: 'reject-tcp-reset' } }, dropPlain] },
  ];
}

const dropPlain: NftRule = { matches: [], verdict: { kind: 'drop' } };

interface NodeSetsOfPod {
  /** Where the pod's own node sends from (S5.1). */
  readonly own: NftSet;
  /** All nodes, to which pods send no tunnel packets (S1.18). */
  readonly all: NftSet;
}

const nodeSetsCache = new WeakMap<NodeAddresses, Readonly<Record<Family, NodeSetsOfPod>>>();

/** The same objects for all pods. */
function nodeSetsOf(nodes: NodeAddresses): Readonly<Record<Family, NodeSetsOfPod>> {
  const known = nodeSetsCache.get(nodes);
  if (known) return known;
  // The first addresses of a pod range count as the node's for tunnels. In the network of these pods, other machines can have them, such as the gateway.
  const ranges = mergeRanges(nodes.podCidrs.flatMap((cidr) => parseCidr(cidr) ?? []));
  const own = [...nodes.own].filter((address) => !holdsAddress(ranges, parseAddress(address)!));
  const made = (family: Family): NodeSetsOfPod => {
    const ofFamily = (addresses: Iterable<string>) => [...addresses].filter((address) => familyOf(address) === family);
    return {
      own: addressSet(ownNodeSetName[family], family, ofFamily(own)),
      all: addressSet(nodesSetName[family], family, ofFamily(new Set([...nodes.own, ...nodes.others]))),
    };
  };
  const sets = { ipv4: made('ipv4'), ipv6: made('ipv6') };
  nodeSetsCache.set(nodes, sets);
  return sets;
}
