import type { Family } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import type { Chain, Match, NftRule } from '../nftables/ruleset.ts';
import { gateChain, nonlocalChains } from './gate.ts';
import { closedBridgeRule, guardChains, guardRuleOfOthers, guardRules } from './anti-spoof.ts';
import { linkControlRules, routerRule } from './link-control.ts';
import {
  addressField,
  compare,
  deviceField,
  dropRule,
  endFields,
  goTo,
  isIn,
  isNotIn,
  jumpTo,
  podEnd,
  type End,
} from './match.ts';
import {
  chainNames,
  isolatedSetName,
  readingName,
  isolationMapName,
  guardedIpsSetName,
  podIfSetNames,
  byIfMapName,
  ctDirections,
  otherNodeIpsSetName,
  selfSetName,
  type CtDirection,
} from './names.ts';

/**
 * After kube-proxy's filter chains (-110), whose reject of a Service without endpoints then reaches the pod, and before 0, where
 * flow offload and other plugins' accepts live (K11). NAT is done in other hooks: before ours for destinations, after it for sources.
 */
const hookPriority = -10;

/** What pods may do that no pod does unless the operator allows it (S1.18). */
export interface PodPermissions {
  /** Send tunnel packets to nodes. */
  readonly tunnels?: boolean;
  /** Be routers and address servers of their link. */
  readonly routers?: boolean;
}

/** What a node has beside its classes. */
export interface Surroundings {
  /** Of the family. Without any, there is no gate. */
  readonly gatedRanges: readonly string[];
  /** The set of the pod ranges of all nodes, where they are known. */
  readonly podRanges: string | undefined;
  /** The ends of a packet whose device is looked at; none where no device of a pod is known, or none is guarded. */
  readonly guarded: readonly End[];
  /** Whether ports of bridges are not seen, so that link-local packets between them cannot be judged. */
  readonly closesBridges: boolean;
  readonly allowed: PodPermissions;
}

/** The chains that do not follow from policies, in the table of a family. */
export function baseChains(family: Family, surroundings: Surroundings): Chain[] {
  const { gatedRanges, podRanges, guarded, closesBridges, allowed } = surroundings;
  const guardsLinks = guarded.length > 0;
  const guard: AntiSpoofRules = (...ends) =>
    ends.filter((end) => guarded.includes(end)).flatMap((end) => guardRules(end, family));
  const pointing: Pointing = (direction, of, ctDirection) => {
    const isGuarded = guarded.includes(podEnd(direction, ctDirection));
    return (isGuarded ? pointByIf : pointByAddress)(direction, of, ctDirection);
  };
  const holdsTunnels = guardsLinks && allowed.tunnels !== true;
  // Router advertisements come by a bridge from others too: the table of bridges knows those of pods. Redirects do so as well, and nobody needs them there.
  const routers =
    guardsLinks && allowed.routers !== true
      ? [routerRule(family, isIn(family === 'ipv4' ? podIfSetNames.pods : podIfSetNames.all, 'iifname'))]
      : [];
  const { source, destination } = addressField[family];
  const isFromPod = isIn(podIfSetNames.pods, 'iifname');
  const tunnelsToOthers = holdsTunnels ? tunnelRules(isIn(otherNodeIpsSetName[family], destination), isFromPod) : [];
  const tunnelsToNode = [
    ...(holdsTunnels ? tunnelRules(isFromPod) : []),
    // Where pod ranges hold addresses of nodes, nodes must go on reaching each other (S5.9).
    ...(holdsTunnels && podRanges !== undefined
      ? tunnelRules(isIn(podRanges, source, 'meta l4proto'), isNotIn(otherNodeIpsSetName[family], source))
      : []),
  ];
  const errors = errorRules(family, guardsLinks);
  return [
    { name: 'forward', base: { hook: 'forward', priority: hookPriority }, rules: forwardRules(family, pointing) },
    {
      name: 'input',
      base: { hook: 'input', priority: hookPriority },
      rules: [...tunnelsToNode, ...inputRules(family, pointing, guard)],
    },
    {
      name: 'output',
      base: { hook: 'output', priority: hookPriority },
      rules: [...(guardsLinks ? [forgedOutputRule(family)] : []), ...outputRules()],
    },
    { name: chainNames.replies, rules: pointBoth(family, 'reply', pointing) },
    { name: chainNames.notEstablished, rules: specialRules(family, guard, routers, errors.special) },
    ...errorChains(family, guard, errors.ofThird),
    ...midstreamChains(family, guard),
    ...otherWayChains(family, guarded, closesBridges),
    ...(guardsLinks ? guardChains(family, guarded) : []),
    ...nonlocalChains(gatedRanges, family, tunnelsToOthers),
    ...(gatedRanges.length > 0 ? [gateChain()] : []),
  ];
}

/** The rules that guard these ends; none where nothing is guarded. */
type AntiSpoofRules = (...ends: End[]) => NftRule[];
/** The rule that leads to the class of the pod that is judged in the direction. */
type Pointing = (direction: Direction, family: Family, ctDirection: CtDirection) => NftRule;

const pointByAddress: Pointing = (direction, family, ctDirection) => {
  const key = [endFields(direction, family, ctDirection).pod];
  return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, ctDirection) } };
};

/** One look-up, by which most packets are past the guard and at their class. */
const pointByIf: Pointing = (direction, family, ctDirection) => {
  const end = podEnd(direction, ctDirection);
  const key = [deviceField[end], addressField[family][end]];
  return { matches: [], verdict: { kind: 'vmap', key, map: byIfMapName(direction, family, ctDirection) } };
};

/** What comes or goes by another device than its own is guarded, and then judged by its address alone. */
function otherWayChains(family: Family, guarded: readonly End[], closesBridges: boolean): Chain[] {
  return ctDirections.flatMap((ctDirection) =>
    directions.flatMap((direction) => {
      const end = podEnd(direction, ctDirection);
      if (!guarded.includes(end)) return [];
      const closed = closesBridges && family === 'ipv6' ? [closedBridgeRule(end)] : [];
      const rules = [...closed, guardRuleOfOthers(end, family), pointByAddress(direction, family, ctDirection)];
      return { name: readingName(direction, ctDirection), rules };
    }),
  );
}

/**
 * VXLAN and Geneve by the ports that network plugins give their devices, and IPIP, 6in4 and GRE by their protocols: a node unpacks what any
 * sender has packed, and takes what is inside for a packet of another node (S1.18, K15). A node also refuses them from the pod ranges of all nodes, for it takes them
 * at addresses that the API server does not name.
 */
function tunnelRules(...also: Match[]): NftRule[] {
  return [compare('udp dport', '==', '4789', '6081', '8472'), compare('meta l4proto', '==', '4', '41', '47')].map(
    (isTunnel) => dropRule(isTunnel, ...also),
  );
}

/**
 * S1.17: the node's own sockets open no connection in an isolated pod's name, but to that pod itself, as a proxy does for a pod that reaches
 * itself. The kernel's resets in a pod's name belong to a connection, and pass.
 */
function forgedOutputRule(family: Family): NftRule {
  const { source, destination } = addressField[family];
  return dropRule(isNew, isIn(isolatedSetName[family], source), isNotIn(selfSetName[family], source, destination));
}

const isNew = compare('ct state', '==', 'new');
const drop: NftRule = { matches: [], verdict: { kind: 'drop' } };

/** For UDP the protocol is enough to know that it need not: one comparison a packet. */
const jumpToSpecial: NftRule = {
  matches: [compare('meta l4proto', '!=', 'udp'), compare('ct state', '!=', 'established')],
  verdict: jumpTo(chainNames.notEstablished),
};

function forwardRules(family: Family, pointing: Pointing): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: goTo(chainNames.replies) },
    ...pointBoth(family, 'original', pointing),
  ];
}

/** A pod's packets to its own node: egress is judged (S5.7); answers to what the node opened are not (S5.1). What is for the node goes to no device. */
function inputRules(family: Family, pointing: Pointing, guard: AntiSpoofRules): NftRule[] {
  const isReply = compare('ct direction', '==', 'reply');
  return [
    { matches: [isError[family], isRelated], verdict: jumpTo(chainNames.errors.input) },
    jumpToSpecial,
    ...guard('source').map((rule) => ({ ...rule, matches: [isReply, ...rule.matches] })),
    { matches: [isReply], verdict: { kind: 'accept' } },
    pointing('egress', family, 'original'),
  ];
}

function pointBoth(family: Family, ctDirection: CtDirection, pointing: Pointing): NftRule[] {
  return [pointing('egress', family, ctDirection), pointing('ingress', family, ctDirection)];
}

/**
 * What is not judged as a connection, or not yet one. TCP comes first and leaves early, for every connection begins with it; UDP has
 * nothing here. Whatever is decided here is guarded first: the guard of most packets is where they are pointed at their class.
 */
function specialRules(
  family: Family,
  guard: AntiSpoofRules,
  routers: readonly NftRule[],
  errors: readonly NftRule[],
): NftRule[] {
  const accept = { kind: 'accept' } as const;
  return [
    { matches: [isNew, { kind: 'tcp-not-syn' }], verdict: goTo(chainNames.midstream.any) },
    { matches: [compare('meta l4proto', '==', 'tcp')], verdict: { kind: 'return' } },
    ...guard('source', 'destination'),
    ...routers,
    ...linkControlRules(accept, [family]),
    { matches: [isError[family], isRelated], verdict: jumpTo(chainNames.errors.forward) },
    ...errors,
    { matches: [isNew, { kind: 'sctp-not-init' }], verdict: goTo(chainNames.midstream.any) },
  ];
}

const isRelated = compare('ct state', '==', 'related');
/** Unreachable, too big, time exceeded, parameter problem. */
const isError = {
  ipv4: compare('icmp type', '==', '3', '11', '12'),
  ipv6: compare('icmpv6 type', '==', '1', '2', '3', '4'),
} as const;
/** What a sender may put into one at most: RFC 1812, 4.3.2.3; RFC 4443, 2.4 (c). A longer one is judged as any packet. */
const longestError: Readonly<Record<Family, number>> = { ipv4: 576, ipv6: 1280 };

/**
 * S5.19: an error passes while the connection that it is about would pass. The kernel knows which one that is, so its ends are judged as its
 * packets are. What the node has opened to a pod is not judged (S5.1), so of errors to the node only what a pod has opened is.
 */
function errorChains(family: Family, guard: AntiSpoofRules, ofThird: readonly NftRule[]): Chain[] {
  const judged = (direction: Direction): NftRule => {
    const key = [endFields(direction, family, 'error').pod];
    return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, 'error') } };
  };
  const isTooLong: NftRule = {
    matches: [{ kind: 'length', op: '>', bytes: longestError[family] }],
    verdict: { kind: 'return' },
  };
  const accept: NftRule = { matches: [], verdict: { kind: 'accept' } };
  const { forward, input } = chainNames.errors;
  return [
    { name: forward, rules: [isTooLong, ...ofThird, judged('egress'), judged('ingress'), accept] },
    { name: input, rules: [...guard('source'), isTooLong, ...ofThird, judged('egress'), accept] },
  ];
}

/**
 * A pod is no router, so it sends errors about its own connections only, and its node knows these. Otherwise it could borrow a connection of others, and
 * what it puts into the error would pass as theirs.
 */
function errorRules(family: Family, guardsLinks: boolean): Readonly<Record<'ofThird' | 'special', readonly NftRule[]>> {
  if (!guardsLinks) return { ofThird: [], special: [] };
  const { source } = addressField[family];
  const isPod = isIn(guardedIpsSetName[family], source);
  const [opener, reached] = [endFields('egress', family, 'error').pod, endFields('ingress', family, 'error').pod];
  const self = selfSetName[family];
  return {
    // The address is looked up again: the pod may just have gone.
    ofThird: [dropRule(isPod, isNotIn(self, source, opener), isNotIn(self, source, reached), isPod)],
    special: [dropRule(isError[family], compare('ct state', '!=', 'related'), isPod)],
  };
}

/** S5.18, K9: picked up in mid-stream, a connection does not tell who opened it; where an isolated pod is concerned it must start anew. */
function midstreamChains(family: Family, guard: AntiSpoofRules): Chain[] {
  const ofIsolated = (end: End): NftRule => {
    return { matches: [isIn(isolatedSetName[family], addressField[family][end])], verdict: goTo(chainNames.resetTcp) };
  };
  const { any, destination } = chainNames.midstream;
  return [
    {
      name: any,
      rules: [...guard('source', 'destination'), ofIsolated('source'), { matches: [], verdict: goTo(destination) }],
    },
    { name: destination, rules: [ofIsolated('destination')] },
    // What is not TCP has no reset.
    { name: chainNames.resetTcp, rules: [{ matches: [], verdict: { kind: 'reject-tcp-reset' } }, drop] },
  ];
}

/** The node's own sockets (S5.1): nothing is judged here. */
function outputRules(): NftRule[] {
  const verdict = goTo(chainNames.midstream.destination);
  return [
    { matches: [isNew, { kind: 'tcp-not-syn' }], verdict },
    { matches: [isNew, { kind: 'sctp-not-init' }], verdict },
  ];
}
