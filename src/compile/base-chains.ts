import { families } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import type { Chain, NftRule } from '../nftables/ruleset.ts';
import { gateChain, gateRules } from './gate.ts';
import { guardChains, guardRules } from './guard.ts';
import { linkControlRules } from './link-control.ts';
import { addressField, compare, endFields, goTo, isIn, jumpTo } from './match.ts';
import {
  chainNames,
  isolatedSetName,
  orientedName,
  isolationMapName,
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
  /** Without any, there is no gate. */
  readonly gatedRanges: readonly string[];
  /** Whether devices of pods are known, and guarded. */
  readonly guardsLinks: boolean;
}

/** The chains that do not follow from policies. */
export function baseChains({ gatedRanges, guardsLinks }: Surroundings): Chain[] {
  const guard = (hook: 'forward' | 'input'): NftRule[] => (guardsLinks ? guardRules(hook) : []);
  return [
    {
      name: 'forward',
      base: { hook: 'forward', priority: hookPriority },
      rules: [...guard('forward'), ...forwardRules()],
    },
    { name: 'input', base: { hook: 'input', priority: hookPriority }, rules: [...guard('input'), ...inputRules()] },
    { name: 'output', base: { hook: 'output', priority: hookPriority }, rules: outputRules() },
    { name: chainNames.replies, rules: jumpsToIsolation('reply') },
    ...orientations.flatMap((orientation) =>
      directions.map((direction) => isolationChain(direction, orientation, gatedRanges)),
    ),
    { name: chainNames.special, rules: specialRules() },
    ...midstreamChains(),
    ...(guardsLinks ? guardChains() : []),
    ...(gatedRanges.length > 0 ? [gateChain()] : []),
  ];
}

const isNew = compare('ct state', '==', 'new');
const drop: NftRule = { matches: [], verdict: { kind: 'drop' } };

/** For UDP the protocol is enough to know that it need not: one comparison a packet. */
const jumpToSpecial: NftRule = {
  matches: [compare('meta l4proto', '!=', 'udp'), compare('ct state', '!=', 'established')],
  verdict: jumpTo(chainNames.special),
};

function forwardRules(): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: goTo(chainNames.replies) },
    ...jumpsToIsolation('original'),
  ];
}

/** A pod's packets to its own node: egress is judged (S5.7); answers to what the node opened are not (S5.1). */
function inputRules(): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: { kind: 'accept' } },
    { matches: [], verdict: jumpTo(orientedName('egress', 'original')) },
  ];
}

function jumpsToIsolation(orientation: Orientation): NftRule[] {
  const inOrder: readonly Direction[] = ['egress', 'ingress'];
  return inOrder.map((direction) => ({ matches: [], verdict: jumpTo(orientedName(direction, orientation)) }));
}

/** To the class of the pod whose packet it is. What no pod has stops at the gate. */
function isolationChain(direction: Direction, orientation: Orientation, gatedRanges: readonly string[]): Chain {
  const rules = families.map((family): NftRule => {
    const key = [endFields(direction, family, orientation).pod];
    return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, orientation) } };
  });
  rules.push(...gateRules(gatedRanges, direction, orientation));
  return { name: orientedName(direction, orientation), rules };
}

/**
 * What is not judged as a connection, or not yet one. TCP comes first and leaves early, for every connection begins with it; UDP has
 * nothing here.
 */
function specialRules(): NftRule[] {
  const accept = { kind: 'accept' } as const;
  const isRelated = compare('ct state', '==', 'related');
  return [
    { matches: [isNew, { kind: 'tcp-not-syn' }], verdict: goTo(chainNames.midstream.any) },
    { matches: [compare('meta l4proto', '==', 'tcp')], verdict: { kind: 'return' } },
    ...linkControlRules(accept),
    // Unreachable, time exceeded, parameter problem: errors about a connection that is or was allowed (S5.3).
    { matches: [isRelated, compare('icmp type', '==', '3', '11', '12')], verdict: accept },
    { matches: [isRelated, compare('icmpv6 type', '==', '1', '2', '3', '4')], verdict: accept },
    { matches: [isNew, { kind: 'sctp-not-init' }], verdict: goTo(chainNames.midstream.any) },
  ];
}

/** S5.18: picked up in mid-stream, a connection does not tell who opened it; where an isolated pod is concerned it must start anew. */
function midstreamChains(): Chain[] {
  const ofIsolated = (end: 'source' | 'destination'): NftRule[] =>
    families.map((family) => {
      return { matches: [isIn(isolatedSetName[family], addressField[family][end])], verdict: goTo(chainNames.cut) };
    });
  const { any, destination } = chainNames.midstream;
  return [
    { name: any, rules: [...ofIsolated('source'), { matches: [], verdict: goTo(destination) }] },
    { name: destination, rules: ofIsolated('destination') },
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
