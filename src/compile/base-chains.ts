import type { Direction } from '../model/policy.ts';
import type { Chain, Field, Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import { families, type Family } from '../model/address.ts';
import { chainNames, isolatedSetName, isolationMapName, selfSetName, type Orientation } from './names.ts';

/**
 * After kube-proxy's filter chains (-110), whose reject of a Service without endpoints then reaches the pod, and before 0, where
 * flow offload and other plugins' accepts live. NAT is done in other hooks: before ours for destinations, after it for sources.
 */
const hookPriority = -10;

/** Where the two ends of a packet stand in its header. */
const addressField = {
  ipv4: { source: 'ip saddr', destination: 'ip daddr' },
  ipv6: { source: 'ip6 saddr', destination: 'ip6 daddr' },
} as const satisfies Record<Family, Record<'source' | 'destination', Field>>;

/** The header field that holds the isolated pod itself, and the one that holds its peer. */
export function endFields(direction: Direction, family: Family, orientation: Orientation): { pod: Field; peer: Field } {
  const { source, destination } = addressField[family];
  const podSends = (direction === 'egress') === (orientation === 'original');
  return podSends ? { pod: source, peer: destination } : { pod: destination, peer: source };
}

/** The chains that every node has at every time. */
export function baseChains(): Chain[] {
  return [
    { name: 'forward', base: { hook: 'forward', priority: hookPriority }, rules: forwardRules() },
    { name: 'input', base: { hook: 'input', priority: hookPriority }, rules: inputRules() },
    { name: 'output', base: { hook: 'output', priority: hookPriority }, rules: midstreamRules('destination') },
    { name: chainNames.replies, rules: isolationRules('reply') },
    { name: chainNames.special, rules: specialRules() },
    { name: chainNames.midstream, rules: [{ matches: [], verdict: { kind: 'reject-tcp-reset' } }] },
  ];
}

const jumpToSpecial: NftRule = {
  matches: [compare('ct state', '!=', 'established')],
  verdict: { kind: 'jump', chain: chainNames.special },
};

function forwardRules(): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: { kind: 'goto', chain: chainNames.replies } },
    ...isolationRules('original'),
  ];
}

/** A pod's packets to its own node: egress is judged (S5.7); answers to what the node opened are not (S5.1). */
function inputRules(): NftRule[] {
  return [
    jumpToSpecial,
    { matches: [compare('ct direction', '==', 'reply')], verdict: { kind: 'accept' } },
    ...families.map((family) => isolationRule('egress', family, 'original')),
  ];
}

function isolationRules(orientation: Orientation): NftRule[] {
  return families.flatMap((family) => [
    isolationRule('egress', family, orientation),
    isolationRule('ingress', family, orientation),
  ]);
}

function isolationRule(direction: Direction, family: Family, orientation: Orientation): NftRule {
  const key = [endFields(direction, family, orientation).pod];
  return { matches: [], verdict: { kind: 'vmap', key, map: isolationMapName(direction, family, orientation) } };
}

/**
 * What is not judged as a connection, or not yet one. The hop limits keep link control from being a routed tunnel (S5.8);
 * no interval set may be written here (`130-132`): it would be read back at every change (C2).
 */
function specialRules(): NftRule[] {
  const accept: Verdict = { kind: 'accept' };
  return [
    {
      matches: [compare('icmpv6 type', '==', '133', '134', '135', '136', '137'), compare('ip6 hoplimit', '==', '255')],
      verdict: accept,
      comment: 'neighbour discovery',
    },
    {
      matches: [
        compare('icmpv6 type', '==', '130', '131', '132', '143'),
        compare('ip6 hoplimit', '==', '1'),
        compare('ip6 daddr', '==', 'ff00::/8'),
      ],
      verdict: accept,
      comment: 'multicast listener discovery',
    },
    {
      matches: [
        compare('ip ttl', '==', '1'),
        compare('ip protocol', '==', '2'),
        compare('ip daddr', '==', '224.0.0.0/4'),
      ],
      verdict: accept,
      comment: 'IGMP',
    },
    {
      // Unreachable, time exceeded, parameter problem: errors about a connection that is or was allowed (S5.3).
      matches: [compare('ct state', '==', 'related'), compare('icmp type', '==', '3', '11', '12')],
      verdict: accept,
    },
    {
      matches: [compare('ct state', '==', 'related'), compare('icmpv6 type', '==', '1', '2', '3', '4')],
      verdict: accept,
    },
    ...midstreamRules('source'),
    ...midstreamRules('destination'),
  ];
}

/** S5.18: picked up in mid-stream, a connection does not tell who opened it; where an isolated pod is concerned it must start anew. */
function midstreamRules(end: 'source' | 'destination'): NftRule[] {
  const isNew = compare('ct state', '==', 'new');
  return families.flatMap((family): NftRule[] => {
    const isolated: Match = { kind: 'lookup', key: [addressField[family][end]], set: isolatedSetName[family] };
    return [
      { matches: [isNew, { kind: 'tcp-not-syn' }, isolated], verdict: { kind: 'goto', chain: chainNames.midstream } },
      { matches: [isNew, { kind: 'sctp-not-init' }, isolated], verdict: { kind: 'drop' } },
    ];
  });
}

/** Where packets end that no rule of their class allows. Only they pay for the look-up that lets a pod reach itself (S5.5). */
export function denyChain(direction: Direction): Chain {
  const rules = [
    ...families.map((family): NftRule => {
      const { source, destination } = addressField[family];
      return {
        matches: [{ kind: 'lookup', key: [source, destination], set: selfSetName[family] }],
        verdict: { kind: 'return' },
      };
    }),
    { matches: [], counter: true, verdict: { kind: 'drop' } } satisfies NftRule,
  ];
  return { name: chainNames.deny[direction], rules };
}

function compare(field: Field, op: '==' | '!=', ...values: string[]): Match {
  return { kind: 'compare', field, op, values };
}
