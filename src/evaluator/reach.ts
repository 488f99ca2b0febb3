import { families } from '../model/address.ts';
import { textOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { inOrder } from './cluster-policy-tier.ts';
import type { Action, Direction, PolicyRef, Tier } from './decision.ts';
import { resolveEndpoint } from './evaluator.ts';
import { obstacleOf } from './network-policy-tier.ts';
import type { Party, Pod } from './party.ts';
import { missOfPeer } from './peer.ts';
import type { Peer } from './peer.ts';
import type { Policy, Rule } from './policy.ts';
import { PolicyIndex } from './policy-index.ts';
import { describePort } from './port.ts';
import type { Port } from './port.ts';
import { describePeer } from './describe-peer.ts';
import { isolatingPolicies, ownersOf } from './subject.ts';

/** What the policies of a pod allow in one direction. The policies at the other end are not considered. */
export interface Reach {
  readonly isolatedBy: readonly PolicyRef[];
  /** Rules of the pod's policies, including rules that allow nothing. If `isolatedBy` is empty, everything is allowed. */
  readonly rules: readonly RuleReach[];
  /** Rules of ClusterNetworkPolicies that judge before or after, in order; missing if no such policy selects the pod. */
  readonly tiers?: readonly TierRuleReach[];
  /** What policies in audit would add if they were enforced; missing if none would isolate the pod in this direction (S13.3). */
  readonly audit?: Pick<Reach, 'isolatedBy' | 'rules'>;
}

export interface TierRuleReach extends Omit<RuleReach, 'obstacle'> {
  readonly tier: Tier;
  readonly priority: number;
  readonly action: Action;
  readonly name?: string;
}

export interface RuleReach {
  readonly policy: PolicyRef;
  readonly rule: number;
  readonly path: string;
  /** Why the rule allows nothing. */
  readonly obstacle?: string;
  readonly peers: 'any' | readonly PeerReach[];
  readonly ports: 'any' | readonly PortReach[];
}

export interface PeerReach {
  readonly path: string;
  /** `pods app=web of namespaces purpose=production`, `10.0.0.0/8 except 10.1.0.0/16` */
  readonly text: string;
  /** The peer is invalid and matches nothing. */
  readonly broken?: true;
  /** `namespace/name` of the pods that match now. The pod itself is left out (S5.5). */
  readonly pods: readonly string[];
}

export interface PortReach {
  readonly path: string;
  /** `TCP/8080`, `UDP/http` */
  readonly text: string;
  /** The entry is invalid and matches nothing. */
  readonly broken?: true;
  /** For a named port: its numbers on the destination pods now. */
  readonly numbers?: readonly number[];
}

export function findReach(cluster: Cluster, pod: Pod, direction: Direction): Reach {
  const enforced = reachOf(cluster, pod, direction);
  if (cluster.audited.length === 0) return enforced;
  const policies = new PolicyIndex(cluster.audited, cluster.namespaceLabels);
  const { isolatedBy, rules } = reachOf({ ...cluster, policies }, pod, direction);
  return isolatedBy.length === 0 ? enforced : { ...enforced, audit: { isolatedBy, rules } };
}

function reachOf(cluster: Cluster, pod: Pod, direction: Direction): Reach {
  const isolatedBy = isolatingPolicies(cluster, pod, direction).map(({ ref }) => ref);
  const owners = ownersOf(cluster, pod);
  const others = owners.filter((other) => other !== pod).map(({ key }) => key);
  // No rule allows anything to an address that several pods claim (S1.10).
  const isContested = pod.addresses.every((address) => (cluster.claimants.get(textOf(address))?.length ?? 0) > 1);
  const parties = partiesOf(cluster, pod);
  const selecting = cluster.policies.selecting(owners.includes(pod) ? [pod] : []);
  const rules = selecting
    .filter(({ tier }) => tier === 'NetworkPolicy')
    .flatMap((policy) =>
      policy.rules[direction].map((rule): RuleReach => {
        const claimed = others.length > 0 && isContested ? `${others.join(' and ')} has the same address` : undefined;
        const obstacle = obstacleOf(policy, rule, direction)?.text ?? claimed;
        const peers = reachPeers(cluster, policy, rule, parties);
        return {
          policy: policy.ref,
          rule: rule.index,
          path: rule.path,
          ...(obstacle !== undefined && { obstacle }),
          peers,
          ports:
            rule.ports === 'any'
              ? 'any'
              : rule.ports.map((port) =>
                  reachPort(port, direction === 'ingress' ? [pod] : destinationsOf(cluster, pod, peers)),
                ),
        };
      }),
    );
  // S10.4: where a NetworkPolicy isolates the pod, the rules of the Baseline tier are never asked.
  const asked = isolatedBy.length > 0 ? (['Admin'] as const) : (['Admin', 'Baseline'] as const);
  const tiers = findTierRules(cluster, selecting, direction, parties, pod, asked);
  return { isolatedBy, rules, ...(tiers.length > 0 && { tiers }) };
}

function findTierRules(
  cluster: Cluster,
  selecting: readonly Policy[],
  direction: Direction,
  parties: ReadonlyMap<string, readonly Party[]>,
  pod: Pod,
  asked: readonly TierRuleReach['tier'][],
): TierRuleReach[] {
  const ordered = asked.flatMap((tier) => inOrder(selecting.filter((policy) => policy.tier === tier)));
  return ordered.flatMap((policy) =>
    policy.rules[direction].map((rule): TierRuleReach => {
      const { tier, priority, ref } = policy;
      const peers = reachPeers(cluster, policy, rule, parties);
      const destinations = direction === 'ingress' ? [pod] : destinationsOf(cluster, pod, peers);
      const ports = rule.ports === 'any' ? 'any' : rule.ports.map((port) => reachPort(port, destinations));
      const { index, path, action, name } = rule;
      return {
        ...{ tier, priority, policy: ref, rule: index, path, action, peers, ports },
        ...(name !== undefined && { name }),
      };
    }),
  );
}

/** All other pods, at each of their addresses. */
function partiesOf(cluster: Cluster, self: Pod): Map<string, Party[]> {
  const others = [...cluster.pods.values()].filter((pod) => pod !== self && !pod.terminal);
  return new Map(
    others.map(({ key }) => [
      key,
      families.flatMap((family) => {
        const party = resolveEndpoint(cluster, { pod: key }, family);
        return typeof party === 'string' ? [] : [party];
      }),
    ]),
  );
}

function reachPeers(
  cluster: Cluster,
  policy: Policy,
  { peers }: Rule,
  parties: ReadonlyMap<string, readonly Party[]>,
): RuleReach['peers'] {
  if (peers === 'any') return 'any';
  const { namespaceLabels, nodes, nodesAt } = cluster;
  const scope = { namespace: policy.namespace, namespaceLabels, nodes, nodesAt };
  return peers.map((peer: Peer) => ({
    path: peer.path,
    text: describePeer(peer, policy.namespace),
    ...(peer.kind === 'broken' && { broken: true as const }),
    pods: [...parties].flatMap(([key, at]) => (at.some((party) => !missOfPeer(peer, party, scope)) ? [key] : [])),
  }));
}

function destinationsOf(cluster: Cluster, self: Pod, peers: RuleReach['peers']): Pod[] {
  const keys = peers === 'any' ? cluster.pods.keys() : peers.flatMap(({ pods }) => pods);
  return [...new Set(keys)].map((key) => cluster.pods.get(key)!).filter((pod) => pod !== self && !pod.hostNetwork);
}

function reachPort(port: Port, destinations: readonly Pod[]): PortReach {
  if (port.kind === 'broken') return { path: port.path, text: port.message, broken: true };
  const { path, protocol } = port;
  const text = `${protocol}/${describePort(port)}`;
  if (port.kind !== 'named') return { path, text };
  const declared = destinations.flatMap(({ namedPorts }) =>
    namedPorts.filter((each) => each.name === port.name && each.protocol === protocol),
  );
  return { path, text, numbers: [...new Set(declared.map((each) => each.port))].sort((a, b) => a - b) };
}
