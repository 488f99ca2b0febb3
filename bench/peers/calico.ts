import { shortHash } from '../../src/lib/hash.ts';
import {
  directions,
  protocols,
  type Direction,
  type Policy,
  type PolicyRule,
  type PortMatch,
} from '../../src/model/policy.ts';
import { canonicalSelector } from '../../src/model/selection.ts';
import type { LocalPod } from '../packets/policies.ts';
import {
  addressesOf,
  addressSet,
  chain,
  cidrsOf,
  nameOf,
  policiesOf,
  portText,
  unsupported,
  type Peer,
} from './peer.ts';

/** Bits of the packet mark. */
const [accept, pass] = [0x1_0000, 0x2_0000];
/** Accept, pass and two scratch bits. */
const allBits = 0x1b_0000;
/** A chain of a group returns after so many policies, if one of them has decided. */
const stride = 5;

/** The prefix of the devices of the scene, where Calico has `cali`. */
const devices = '"bench-*"';

/**
 * Calico in nftables mode, table `filter` of the forward hook. Verdict maps lead from the devices to a chain for packets from a pod and one for packets
 * to it. These accept established connections, and jump to chains of policies, or of groups of policies with the same selector. A chain of a
 * policy reads one interval set for each selector, and marks what it allows. The first device's chain returns it, so that the second one judges too.
 */
export const calico: Peer = {
  name: 'calico',
  source:
    'The filter chains of Calico in nftables mode, written by Postern from felix/rules/{static,dispatch,endpoints,policy}.go and felix/nftables/, v3.34.0-0.dev-67-g87c15906f2, 2026-08-22',
  ruleSet: (node) => {
    const { policies, groups } = node.snapshot;
    const shared = new Map<string, readonly string[]>();
    const endpoints = directions.flatMap((direction) =>
      node.pods.map((pod) =>
        chain(endpointChain(pod, direction), endpointRules(pod, direction, policiesOf(node, pod), shared)),
      ),
    );
    const policyChains = [...policies.values()].flatMap((policy) =>
      [...policy.isolates].map((direction) => {
        const rules = policy.rules[direction].flatMap((rule) => policyRules(rule, direction));
        // The last return does nothing.
        return chain(policyChain(policy, direction), rules.slice(0, -1));
      }),
    );
    const parts = [
      ...[...groups.keys()].map((id) => addressSet(setName(id), addressesOf(node, id), 'flags interval; ')),
      ...directions.map((direction) => dispatchMap(direction, node.pods)),
      ...['from-hep-forward', 'to-hep-forward', 'cidr-block'].map((name) => chain(`filter-cali-${name}`, [])),
      ...directions.flatMap((direction) => {
        const names = node.pods.map(({ namespace }) => profileChain(namespace, direction));
        return [...new Set(names)].map((name) => chain(name, [set(accept)]));
      }),
      ...policyChains,
      ...[...shared].map(([name, rules]) => chain(name, rules)),
      ...endpoints,
      ...directions.map(dispatchChain),
      forwardChain,
      chain('filter-FORWARD', [
        'type filter hook forward priority filter',
        'counter jump filter-cali-FORWARD',
        `${isSet(accept)} counter accept`,
        set(accept),
      ]),
    ];
    return `table ip calico {\n${parts.join('\n')}\n}\n`;
  },
};

const ends = {
  ingress: { name: 'to', endpoint: 'tw', policy: 'pi', group: 'gi', profile: 'pri', device: 'oifname', peer: 'saddr' },
  egress: { name: 'from', endpoint: 'fw', policy: 'po', group: 'go', profile: 'pro', device: 'iifname', peer: 'daddr' },
} as const;

const forwardChain = chain('filter-cali-FORWARD', [
  clear(allBits & ~accept),
  `${isClear(accept)} counter jump filter-cali-from-hep-forward`,
  `iifname ${devices} counter jump filter-cali-from-wl-dispatch`,
  `oifname ${devices} counter jump filter-cali-to-wl-dispatch`,
  'counter jump filter-cali-to-hep-forward',
  'counter jump filter-cali-cidr-block',
]);

function dispatchMap(direction: Direction, pods: readonly LocalPod[]): string {
  const elements = pods.map((pod) => `"${pod.device}" : goto ${endpointChain(pod, direction)}`);
  return `map ${dispatchName(direction)} { type ifname : verdict; elements = { ${elements.join(', ')} }; }`;
}

function dispatchChain(direction: Direction): string {
  const name = dispatchName(direction);
  return chain(name, [`${ends[direction].device} vmap @${name}`, 'counter drop']);
}

/** The rules of the chain for packets to the pod, or from it. Adds the chains of groups that it needs to `shared`. */
function endpointRules(
  { namespace }: LocalPod,
  direction: Direction,
  policies: readonly Policy[],
  shared: Map<string, readonly string[]>,
): string[] {
  const groups = groupPolicies(policies.filter(({ isolates }) => isolates.has(direction)));
  const targets = groups.map((group) => {
    if (group.length === 1) return policyChain(group[0]!, direction);
    const name = `filter-cali-${ends[direction].group}-${shortHash(group.map(({ id }) => id).join())}`;
    shared.set(name, groupRules(group, direction));
    return name;
  });
  const returnAccepted = `${isSet(accept)} counter return`;
  const tier = [
    clear(pass),
    ...targets.flatMap((target) => [`${isClear(pass)} counter jump ${target}`, returnAccepted]),
    `${isClear(pass)} counter drop`,
  ];
  return [
    'ct state related,established counter accept',
    'ct state invalid counter drop',
    clear(accept | pass),
    ...(direction === 'egress' ? ['meta l4proto udp udp dport 4789 counter drop', 'meta l4proto 4 counter drop'] : []),
    ...(targets.length > 0 ? tier : []),
    `counter jump ${profileChain(namespace, direction)}`,
    returnAccepted,
    'counter drop',
  ];
}

/** Neighbours in the order of policies that have the same selector. */
function groupPolicies(policies: readonly Policy[]): Policy[][] {
  const selector = ({ appliesTo: { pods } }: Policy): string => canonicalSelector(pods);
  const groups: Policy[][] = [];
  for (const policy of policies) {
    const last = groups.at(-1);
    if (last && selector(last[0]!) === selector(policy)) last.push(policy);
    else groups.push([policy]);
  }
  return groups;
}

function groupRules(group: readonly Policy[], direction: Direction): string[] {
  const decided = `meta mark & ${hex(accept | pass)}`;
  return group.flatMap((policy, i) => {
    const jump = `counter jump ${policyChain(policy, direction)}`;
    if (i % stride !== 0) return [`${decided} == 0 ${jump}`];
    return i === 0 ? [jump] : [`${decided} != 0 counter return`, jump];
  });
}

/** One rule for each protocol and peer, with all ports, and a rule that returns what it marked. */
function policyRules(rule: PolicyRule, direction: Direction): string[] {
  const field = `ip ${ends[direction].peer}`;
  const peers = [
    ...rule.peers.flatMap((peer) =>
      peer.kind === 'pods' ? [`${field} @${setName(peer.group)} `] : peer.kind === 'any' ? [''] : [],
    ),
    ...cidrsOf(rule).map((cidr) => `${field} ${cidr} `),
  ];
  return portMatches(rule.ports).flatMap(([protocol, ports]) =>
    peers.flatMap((peer) => [`${protocol}${peer}${ports}${set(accept)}`, `${isSet(accept)} counter return`]),
  );
}

/** Of each protocol: the matches before and after that of the peer. */
function portMatches(all: readonly PortMatch[]): (readonly [string, string])[] {
  if (all.some(({ kind }) => kind === 'any')) return [['', '']];
  const ports = all.map((port) => (port.kind === 'range' ? port : unsupported(port)));
  return protocols.toSorted().flatMap((protocol) => {
    const name = protocol.toLowerCase();
    const own = ports.filter((port) => port.protocol === protocol).map(portText);
    return own.length === 0 ? [] : [[`meta l4proto ${name} `, `${name} dport { ${own.join(', ')} } `] as const];
  });
}

/** Of the pod's namespace. It allows everything. */
function profileChain(namespace: string, direction: Direction): string {
  return `filter-cali-${ends[direction].profile}-kns.${namespace}`;
}

function endpointChain({ device }: LocalPod, direction: Direction): string {
  return `filter-cali-${ends[direction].endpoint}-${device}`;
}

function policyChain({ id }: Policy, direction: Direction): string {
  return nameOf(`filter-cali-${ends[direction].policy}-${id}`);
}

function dispatchName(direction: Direction): string {
  return `filter-cali-${ends[direction].name}-wl-dispatch`;
}

function setName(group: string): string {
  return nameOf(`cali40s-${group}`);
}

function set(bit: number): string {
  return `counter meta mark set mark or ${hex(bit)}`;
}

function clear(bits: number): string {
  return `counter meta mark set mark and ${hex(~bits >>> 0)}`;
}

function isSet(bit: number): string {
  return `meta mark & ${hex(bit)} == ${hex(bit)}`;
}

function isClear(bit: number): string {
  return `meta mark & ${hex(bit)} == 0`;
}

function hex(bits: number): string {
  return `0x${bits.toString(16)}`;
}
