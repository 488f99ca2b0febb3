import { canonicalCidrs } from '../../src/model/address.ts';
import { directions, type Direction, type Policy, type PolicyRule, type PortMatch } from '../../src/model/policy.ts';
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
  type PeerNode,
} from './peer.ts';

/** Bits of the packet mark: a policy allows the packet; the chain of a pod lets it pass. */
const [allowed, passed] = ['0x10000', '0x20000'];
const acceptPassed = `meta mark & ${passed} == ${passed} counter accept`;

/**
 * kube-router's network policy controller in nftables mode. Each local pod has a chain, to which rules of the three hooks jump by its address. The
 * chain accepts established connections, and jumps to the chain of each policy that selects the pod. A chain of a policy reads sets of the
 * policy's pods and of each rule's peers, and marks what it allows. A pod's chain rejects packets without the mark.
 */
export const kubeRouter: Peer = {
  name: 'kube-router',
  source:
    'The chains of kube-router in nftables mode, written by Postern from pkg/controllers/netpol/npc_nftables.go, v2.11.0-1-g7c2c2779, 2026-08-16',
  ruleSet: (node) => {
    const policies = [...node.snapshot.policies.values()].map((policy) => policyParts(policy, node));
    const parts = [
      ...policies.flatMap(({ sets }) => sets),
      chain('KUBE-NWPLCY-DEFAULT', [`counter meta mark set meta mark | ${allowed}`]),
      chain('KUBE-NWPLCY-COMMON', [
        'ct state invalid counter drop',
        'ct state established,related counter accept',
        ...['echo-request', 'destination-unreachable', 'time-exceeded'].map(
          (type) => `icmp type ${type} counter accept`,
        ),
      ]),
      chain('KUBE-NWPLCY-TAIL', [acceptPassed]),
      ...policies.map(({ chain: own }) => own),
      ...node.pods.map((pod) => chain(podChain(pod), podRules(pod, policiesOf(node, pod)))),
      ...['input', 'forward', 'output'].map((hook) => hookChain(hook, node.pods)),
    ];
    return `table ip kube-router-filter-ipv4 {\n${parts.join('\n')}\n}\n`;
  },
};

function hookChain(hook: string, pods: readonly LocalPod[]): string {
  const nodePorts = ['tcp', 'udp', 'sctp'].map((protocol) => {
    return `meta l4proto ${protocol} fib daddr type local ${protocol} dport 30000-32767 counter return`;
  });
  return chain(`KUBE-ROUTER-${hook.toUpperCase()}`, [
    `type filter hook ${hook} priority filter`,
    ...(hook === 'input' ? ['ip daddr 10.96.0.0/12 counter return', ...nodePorts] : []),
    ...pods.flatMap((pod) => {
      const ends = hook === 'input' ? ['saddr'] : ['daddr', 'saddr'];
      return ends.map((end) => `ip ${end} ${pod.address} counter jump ${podChain(pod)}`);
    }),
    'counter jump KUBE-NWPLCY-TAIL',
    acceptPassed,
  ]);
}

function podRules({ address }: LocalPod, policies: readonly Policy[]): string[] {
  const jumps = policies.map((policy) => {
    const one = policy.isolates.size === 1 ? `ip ${ends[[...policy.isolates][0]!].own} ${address} ` : '';
    return `${one}counter jump ${policyChain(policy)}`;
  });
  const isOpen = (direction: Direction): boolean => !policies.some(({ isolates }) => isolates.has(direction));
  const byDefault = (['egress', 'ingress'] as const)
    .filter(isOpen)
    .map((direction) => `ip ${ends[direction].own} ${address} counter jump KUBE-NWPLCY-DEFAULT`);
  return [
    'counter jump KUBE-NWPLCY-COMMON',
    `fib saddr type local ip daddr ${address} counter accept`,
    ...jumps,
    ...byDefault,
    `meta mark & ${allowed} == 0 limit rate 10/minute burst 10 packets log group 100`,
    `meta mark & ${allowed} == 0 counter reject`,
    'meta mark set meta mark & 0xfffeffff',
    `meta mark set meta mark | ${passed}`,
  ];
}

/** The fields of the policy's pod and of its peer, and the prefixes of their sets. */
const ends = {
  ingress: { own: 'daddr', ownSet: 'KUBE-DST', peer: 'saddr', peerSet: 'KUBE-SRC' },
  egress: { own: 'saddr', ownSet: 'KUBE-SRC', peer: 'daddr', peerSet: 'KUBE-DST' },
} as const;

function policyParts(policy: Policy, node: PeerNode): { sets: string[]; chain: string } {
  const sets: string[] = [];
  const rules = directions
    .filter((direction) => policy.isolates.has(direction))
    .flatMap((direction) => {
      const { own, ownSet, peer, peerSet } = ends[direction];
      const target = nameOf(`${ownSet}-${policy.id}`);
      sets.push(addressSet(target, node.selectedBy(policy)));
      return policy.rules[direction].flatMap((rule, i) =>
        peersOf(rule, node).flatMap(({ kind, addresses, flags }) => {
          const set = nameOf(`${peerSet}-${policy.id}-${i}-${kind}`);
          if (kind !== 'any') sets.push(addressSet(set, addresses, flags));
          const ofPeer = kind === 'any' ? '' : `ip ${peer} @${set} `;
          return rule.ports.map((port) => `${ofPeer}ip ${own} @${target} ${allowPort(port)}`);
        }),
      );
    });
  return { sets, chain: chain(policyChain(policy), rules) };
}

/** All selected pods of a rule are one set, and all its blocks another. */
function peersOf(rule: PolicyRule, node: PeerNode): { kind: string; addresses: readonly string[]; flags?: string }[] {
  const pods = rule.peers.flatMap((peer) => (peer.kind === 'pods' ? addressesOf(node, peer.group) : []));
  const blocks = canonicalCidrs(cidrsOf(rule));
  return [
    ...(rule.peers.some(({ kind }) => kind === 'any') ? [{ kind: 'any', addresses: [] }] : []),
    ...(pods.length > 0 ? [{ kind: 'pods', addresses: pods }] : []),
    ...(blocks.length > 0 ? [{ kind: 'blocks', addresses: blocks, flags: 'flags interval; ' }] : []),
  ];
}

function allowPort(port: PortMatch): string {
  if (port.kind === 'named') return unsupported(port);
  const match = port.kind === 'any' ? '' : `${port.protocol.toLowerCase()} dport ${portText(port)} `;
  return `${match}counter meta mark set meta mark | ${allowed} return`;
}

function podChain({ device }: LocalPod): string {
  return `KUBE-POD-FW-${device}`;
}

function policyChain({ id }: Policy): string {
  return nameOf(`KUBE-NWPLCY-${id}`);
}
