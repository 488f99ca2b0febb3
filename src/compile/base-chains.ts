import type { Family } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import type { Chain, NftRule } from '../nftables/ruleset.ts';
import { gateChain, nobodyChains } from './gate.ts';
import { guardChains, guardRuleOfOthers, guardRules } from './guard.ts';
import { linkControlRules } from './link-control.ts';
import { addressField, compare, deviceField, endFields, goTo, isIn, jumpTo, podEnd, type End } from './match.ts';
import {
  chainNames,
  isolatedSetName,
  orientedName,
  isolationMapName,
  ownerMapName,
  orientations,
  type Orientation,
} from './names.ts';

/**
 * After kube-proxy's filter chains (-110), whose reject of a Service without endpoints then reaches the pod, and before 0, where
 * flow offload and other plugins' accepts live. NAT is done in other hooks: before ours for destinations, after it for sources.
 */
const hookPriority = -10;

/** What a node has beside its classes. */
export interface Surroundings {
  /** Of the family. Without any, there is no gate. */
  readonly gatedRanges: readonly string[];
  /** Whether devices of pods are known, and guarded. */
  readonly guardsLinks: boolean;
}

/** The chains that do not follow from policies, in the table of a family. */
export function baseChains(family: Family, { gatedRanges, guardsLinks }: Surroundings): Chain[] {
  const guard: Guard = (...ends) => (guardsLinks ? ends.flatMap((end) => guardRules(end, family)) : []);
  const pointing: Pointing = guardsLinks ? pointByOwner : pointByAddress;
  return [
    { name: 'forward', base: { hook: 'forward', priority: hookPriority }, rules: forwardRules(family, pointing) },
    { name: 'input', base: { hook: 'input', priority: hookPriority }, rules: inputRules(family, pointing, guard) },
    { name: 'output', base: { hook: 'output', priority: hookPriority }, rules: outputRules() },
    { name: chainNames.replies, rules: pointBoth(family, 'reply', pointing) },
    { name: chainNames.special, rules: specialRules(family, guard) },
    ...midstreamChains(family, guard),
    ...(guardsLinks ? [...otherWayChains(family), ...guardChains(family)] : []),
    ...nobodyChains(gatedRanges, family),
    ...(gatedRanges.length > 0 ? [gateChain()] : []),
  ];
}

/** The rules that guard these ends; none where nothing is guarded. */
type Guard = (...ends: End[]) => NftRule[];
/** The rule that leads to the class of the pod that is judged in the direction. */
type Pointing = (direction: Direction, family: Family, orientation: Orientation) => NftRule;

const pointByAddress: Pointing = (direction, family, orientation) => {
  const key = [endFields(direction, family, orientation).pod];
  return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, orientation) } };
};

/** One look-up, by which most packets are past the guard and at their class. */
const pointByOwner: Pointing = (direction, family, orientation) => {
  const end = podEnd(direction, orientation);
  const key = [deviceField[end], addressField[family][end]];
  return { matches: [], verdict: { kind: 'vmap', key, map: ownerMapName(direction, family, orientation) } };
};

/** What comes or goes by another device than its own is guarded, and then judged by its address alone. */
function otherWayChains(family: Family): Chain[] {
  return orientations.flatMap((orientation) =>
    directions.map((direction) => ({
      name: orientedName(direction, orientation),
      rules: [
        guardRuleOfOthers(podEnd(direction, orientation), family),
        pointByAddress(direction, family, orientation),
      ],
    })),
  );
}

const isNew = compare('ct state', '==', 'new');
const drop: NftRule = { matches: [], verdict: { kind: 'drop' } };

/** For UDP the protocol is enough to know that it need not: one comparison a packet. */
const jumpToSpecial: NftRule = {
  matches: [compare('meta l4proto', '!=', 'udp'), compare('ct state', '!=', 'established')],
  verdict: jumpTo(chainNames.special),
};

function forwardRules(family: Family, pointing: Pointing): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: goTo(chainNames.replies) },
    ...pointBoth(family, 'original', pointing),
  ];
}

/** A pod's packets to its own node: egress is judged (S5.7); answers to what the node opened are not (S5.1). What is for the node goes to no device. */
function inputRules(family: Family, pointing: Pointing, guard: Guard): NftRule[] {
  const isReply = compare('ct direction', '==', 'reply');
  return [
    jumpToSpecial,
    ...guard('source').map((rule) => ({ ...rule, matches: [isReply, ...rule.matches] })),
    { matches: [isReply], verdict: { kind: 'accept' } },
    pointing('egress', family, 'original'),
  ];
}

function pointBoth(family: Family, orientation: Orientation, pointing: Pointing): NftRule[] {
  return [pointing('egress', family, orientation), pointing('ingress', family, orientation)];
}

/**
 * What is not judged as a connection, or not yet one. TCP comes first and leaves early, for every connection begins with it; UDP has
 * nothing here. Whatever is decided here is guarded first: the guard of most packets is where they are pointed at their class.
 */
function specialRules(family: Family, guard: Guard): NftRule[] {
  const accept = { kind: 'accept' } as const;
  return [
    { matches: [isNew, { kind: 'tcp-not-syn' }], verdict: goTo(chainNames.midstream.any) },
    { matches: [compare('meta l4proto', '==', 'tcp')], verdict: { kind: 'return' } },
    ...guard('source', 'destination'),
    ...linkControlRules(accept, [family]),
    // Unreachable, too big, time exceeded, parameter problem: errors about a connection that is or was allowed (S5.3).
    { matches: [compare('ct state', '==', 'related'), isError[family]], verdict: accept },
    { matches: [isNew, { kind: 'sctp-not-init' }], verdict: goTo(chainNames.midstream.any) },
  ];
}

const isError = {
  ipv4: compare('icmp type', '==', '3', '11', '12'),
  ipv6: compare('icmpv6 type', '==', '1', '2', '3', '4'),
} as const;

/** S5.18: picked up in mid-stream, a connection does not tell who opened it; where an isolated pod is concerned it must start anew. */
function midstreamChains(family: Family, guard: Guard): Chain[] {
  const ofIsolated = (end: End): NftRule => {
    return { matches: [isIn(isolatedSetName[family], addressField[family][end])], verdict: goTo(chainNames.cut) };
  };
  const { any, destination } = chainNames.midstream;
  return [
    {
      name: any,
      rules: [...guard('source', 'destination'), ofIsolated('source'), { matches: [], verdict: goTo(destination) }],
    },
    { name: destination, rules: [ofIsolated('destination')] },
    // What is not TCP has no reset.
    { name: chainNames.cut, rules: [{ matches: [], verdict: { kind: 'reject-tcp-reset' } }, drop] },
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
