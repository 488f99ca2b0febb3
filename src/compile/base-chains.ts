import type { Family } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import type { Chain, Match, NftRule } from '../nftables/ruleset.ts';
import { gateChain, nonlocalChains } from './gate.ts';
import { flowChains } from './flows.ts';
import { closedBridgeRule, guardChains, guardRuleForMiss, guardRules } from './anti-spoof.ts';
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
  auditMapName,
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
 * After kube-proxy's filter chains (-110), so that its reject for a Service without endpoints reaches the pod. Before 0, where flow offload and
 * the accept rules of other plugins run (K11). NAT runs in other hooks: DNAT before these chains, SNAT after them.
 */
export const hookPriority = -10;

/** What pods may do only if the operator allows it (S1.18). */
export interface PodPermissions {
  /** Send tunnel packets to nodes. */
  readonly tunnels?: boolean;
  /** Act as routers and DHCP servers on their link. */
  readonly routers?: boolean;
}

/** Facts of a node, apart from its classes, that the base chains depend on. */
export interface BaseFacts {
  /** Gated ranges of this family. Empty: no gate. */
  readonly gatedRanges: readonly string[];
  /** The name of the set of all nodes' pod ranges; `undefined` if no Node names any. */
  readonly podRanges: string | undefined;
  /** The ends of a packet whose device the rules check; empty if no pod device is known, or the guard is off. */
  readonly guarded: readonly End[];
  /** There is no bridge table, so rules cannot judge link-local packets between bridge ports. */
  readonly closesBridges: boolean;
  readonly allowed: PodPermissions;
  /** Packets of known flows skip the rules (`flows.ts`). */
  readonly fastPath: boolean;
  /** A pod has a policy in audit. */
  readonly hasAudits: boolean;
}

/** The chains of a family's table that do not depend on policies. */
export function baseChains(family: Family, facts: BaseFacts): Chain[] {
  const { gatedRanges, podRanges, guarded, closesBridges, allowed, fastPath, hasAudits } = facts;
  const guardsLinks = guarded.length > 0;
  const guard: AntiSpoofRules = (...ends) =>
    ends.filter((end) => guarded.includes(end)).flatMap((end) => guardRules(end, family));
  const dispatch: Dispatch = (direction, of, ctDirection) => {
    const isGuarded = guarded.includes(podEnd(direction, ctDirection));
    return (isGuarded ? dispatchByIf : dispatchByAddress)(direction, of, ctDirection);
  };
  const holdsTunnels = guardsLinks && allowed.tunnels !== true;
  // IPv6: a router outside may advertise by the bridge, so only pods' own devices are listed; the bridge table drops advertisements from pods.
  // IPv4 has redirects only, and nobody needs redirects from a bridge.
  const routers =
    guardsLinks && allowed.routers !== true
      ? [routerRule(family, isIn(family === 'ipv4' ? podIfSetNames.pods : podIfSetNames.all, 'iifname'))]
      : [];
  const { source, destination } = addressField[family];
  const isFromPod = isIn(podIfSetNames.pods, 'iifname');
  const tunnelsToOthers = holdsTunnels ? tunnelRules(isIn(otherNodeIpsSetName[family], destination), isFromPod) : [];
  const tunnelsToNode = [
    ...(holdsTunnels ? tunnelRules(isFromPod) : []),
    // Pod ranges may contain addresses of nodes, and nodes must reach each other (S5.9).
    ...(holdsTunnels && podRanges !== undefined
      ? tunnelRules(isIn(podRanges, source, 'meta l4proto'), isNotIn(otherNodeIpsSetName[family], source))
      : []),
  ];
  const errors = errorRules(family, guardsLinks);
  const audit = (...of: Direction[]): NftRule[] =>
    hasAudits ? of.map((direction) => auditRule(direction, family)) : [];
  const judged = (ctDirection: CtDirection): NftRule[] => [
    ...dispatchBoth(family, ctDirection, dispatch),
    ...(ctDirection === 'original' ? audit('egress', 'ingress') : []),
  ];
  return [
    {
      name: 'forward',
      base: { hook: 'forward', priority: hookPriority },
      rules: forwardRules(fastPath ? toOriginals : judged('original')),
    },
    {
      name: 'input',
      base: { hook: 'input', priority: hookPriority },
      rules: [...tunnelsToNode, ...inputRules(family, dispatch, guard), ...audit('egress')],
    },
    {
      name: 'output',
      base: { hook: 'output', priority: hookPriority },
      rules: [...(guardsLinks ? [forgedOutputRule(family)] : []), ...outputRules()],
    },
    ...(fastPath
      ? ctDirections.flatMap((ctDirection) => flowChains(family, ctDirection, judged(ctDirection), holdsTunnels))
      : [{ name: chainNames.replies, rules: judged('reply') }]),
    { name: chainNames.notEstablished, rules: notEstablishedRules(family, guard, routers, errors.unrelated) },
    ...errorChains(family, guard, errors.ofOthers),
    ...midstreamChains(family, guard),
    ...missChains(family, guarded, closesBridges),
    ...(guardsLinks ? guardChains(family, guarded) : []),
    ...nonlocalChains(gatedRanges, family, tunnelsToOthers),
    ...(gatedRanges.length > 0 ? [gateChain()] : []),
  ];
}

/** The anti-spoofing rules for these ends; empty for ends that are not guarded. */
type AntiSpoofRules = (...ends: End[]) => NftRule[];
/** The rule that leads to the class of the packet's pod in the direction. */
type Dispatch = (direction: Direction, family: Family, ctDirection: CtDirection) => NftRule;

const dispatchByAddress: Dispatch = (direction, family, ctDirection) => {
  const key = [endFields(direction, family, ctDirection).pod];
  return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, ctDirection) } };
};

/** Leads a packet that has passed to the audit of its pod. */
export function auditRule(direction: Direction, family: Family): NftRule {
  const key = [endFields(direction, family, 'original').pod];
  return { matches: [], verdict: { kind: 'vmap', key, map: auditMapName(direction, family) } };
}

/** One lookup takes most packets past the guard and to their class. */
const dispatchByIf: Dispatch = (direction, family, ctDirection) => {
  const end = podEnd(direction, ctDirection);
  const key = [deviceField[end], addressField[family][end]];
  return { matches: [], verdict: { kind: 'vmap', key, map: byIfMapName(direction, family, ctDirection) } };
};

/** Chains for packets that the by-if maps do not contain: first the guard, then dispatch by address alone. */
function missChains(family: Family, guarded: readonly End[], closesBridges: boolean): Chain[] {
  return ctDirections.flatMap((ctDirection) =>
    directions.flatMap((direction) => {
      const end = podEnd(direction, ctDirection);
      if (!guarded.includes(end)) return [];
      const closed = closesBridges && family === 'ipv6' ? [closedBridgeRule(end)] : [];
      const rules = [...closed, guardRuleForMiss(end, family), dispatchByAddress(direction, family, ctDirection)];
      return { name: readingName(direction, ctDirection), rules };
    }),
  );
}

/**
 * Drops VXLAN and Geneve by the ports that CNI plugins use, and IPIP, 6in4 and GRE by protocol. A node decapsulates packets of any sender, and treats
 * the inner packet as one from another node (S1.18, K15). A node also drops them from the pod ranges of all nodes: the API server does not list all
 * addresses at which it accepts tunnel packets.
 */
export function tunnelRules(...also: Match[]): NftRule[] {
  return [compare('udp dport', '==', '4789', '6081', '8472'), compare('meta l4proto', '==', '4', '41', '47')].map(
    (isTunnel) => dropRule(isTunnel, ...also),
  );
}

/**
 * S1.17: the node's own sockets must not open a connection from an isolated pod's address, except to that pod itself; a Service proxy does so when a pod
 * connects to itself. The kernel's resets from a pod's address belong to a connection, so they pass.
 */
function forgedOutputRule(family: Family): NftRule {
  const { source, destination } = addressField[family];
  return dropRule(isNew, isIn(isolatedSetName[family], source), isNotIn(selfSetName[family], source, destination));
}

export const isNew = compare('ct state', '==', 'new');
const drop: NftRule = { matches: [], verdict: { kind: 'drop' } };

/** `not-established` has no rule for UDP, so one comparison takes UDP past it. */
export const jumpToNotEstablished: NftRule = {
  matches: [compare('meta l4proto', '!=', 'udp'), compare('ct state', '!=', 'established')],
  verdict: jumpTo(chainNames.notEstablished),
};

const toOriginals: readonly NftRule[] = [{ matches: [], verdict: goTo(chainNames.originals) }];

function forwardRules(originals: readonly NftRule[]): NftRule[] {
  return [
    jumpToNotEstablished,
    { matches: [compare('ct direction', '==', 'reply')], verdict: goTo(chainNames.replies) },
    ...originals,
  ];
}

/**
 * A pod's packets to its own node: egress rules apply (S5.7). Replies to connections that the node opened pass (S5.1). Packets at this hook have no
 * output device.
 */
function inputRules(family: Family, dispatch: Dispatch, guard: AntiSpoofRules): NftRule[] {
  const isReply = compare('ct direction', '==', 'reply');
  return [
    { matches: [isError[family], isRelated], verdict: jumpTo(chainNames.errors.input) },
    jumpToNotEstablished,
    ...guard('source').map((rule) => ({ ...rule, matches: [isReply, ...rule.matches] })),
    { matches: [isReply], verdict: { kind: 'accept' } },
    dispatch('egress', family, 'original'),
  ];
}

function dispatchBoth(family: Family, ctDirection: CtDirection, dispatch: Dispatch): NftRule[] {
  return [dispatch('egress', family, ctDirection), dispatch('ingress', family, ctDirection)];
}

/**
 * Rules for packets that do not belong to an established connection. TCP comes first and returns early, because the first packet of every TCP
 * connection comes here. The guard precedes every accept; for all other packets the by-if dispatch maps do the guard's work.
 */
function notEstablishedRules(
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

export const isRelated = compare('ct state', '==', 'related');
/** Unreachable, too big, time exceeded, parameter problem. */
export const isError = {
  ipv4: compare('icmp type', '==', '3', '11', '12'),
  ipv6: compare('icmpv6 type', '==', '1', '2', '3', '4'),
} as const;
/** Longest valid ICMP error: RFC 1812, 4.3.2.3; RFC 4443, 2.4 (c). Longer packets are judged like any other packet. */
export const longestError: Readonly<Record<Family, number>> = { ipv4: 576, ipv6: 1280 };

/**
 * S5.19: an ICMP error passes if the connection that it is about would pass. conntrack knows that connection, so the rules judge its two ends.
 * Connections from the node to a pod are not judged (S5.1), so at the input hook only egress of the pod is judged.
 */
function errorChains(family: Family, guard: AntiSpoofRules, ofOthers: readonly NftRule[]): Chain[] {
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
    { name: forward, rules: [isTooLong, ...ofOthers, judged('egress'), judged('ingress'), accept] },
    { name: input, rules: [...guard('source'), isTooLong, ...ofOthers, judged('egress'), accept] },
  ];
}

/**
 * Drops ICMP errors from a pod that are not about one of its own connections. A pod is no router, and its node knows its connections. Otherwise
 * a pod could name a connection of others, and send data inside the error.
 */
function errorRules(
  family: Family,
  guardsLinks: boolean,
): Readonly<Record<'ofOthers' | 'unrelated', readonly NftRule[]>> {
  if (!guardsLinks) return { ofOthers: [], unrelated: [] };
  const { source } = addressField[family];
  const isPod = isIn(guardedIpsSetName[family], source);
  const [opener, reached] = [endFields('egress', family, 'error').pod, endFields('ingress', family, 'error').pod];
  const self = selfSetName[family];
  return {
    // The address is looked up again: a transaction may just have removed the pod.
    ofOthers: [dropRule(isPod, isNotIn(self, source, opener), isNotIn(self, source, reached), isPod)],
    unrelated: [dropRule(isError[family], compare('ct state', '!=', 'related'), isPod)],
  };
}

/** S5.18, K9: conntrack cannot tell who opened a connection that it picks up in mid-stream. With an isolated pod, the connection must start anew. */
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
    // SCTP packets come here too; nft can reset TCP only.
    { name: chainNames.resetTcp, rules: [{ matches: [], verdict: { kind: 'reject-tcp-reset' } }, drop] },
  ];
}

/** Packets of the node's own sockets are not judged (S5.1), apart from mid-stream ones. */
function outputRules(): NftRule[] {
  const verdict = goTo(chainNames.midstream.destination);
  return [
    { matches: [isNew, { kind: 'tcp-not-syn' }], verdict },
    { matches: [isNew, { kind: 'sctp-not-init' }], verdict },
  ];
}
