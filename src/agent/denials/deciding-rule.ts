import type { RecordedDenial } from '../../compile/denials.ts';
import { containsAddress, parseAddress, type Address } from '../../model/address.ts';
import type { NamedPort } from '../../model/cluster.ts';
import type { Owners, OwningPod } from '../../model/owner.ts';
import { matchesSelector } from '../../model/selection.ts';
import {
  tiers,
  type GroupSelection,
  type Peer,
  type EnforcedPolicy,
  type Policy,
  type PolicyRule,
  type PortMatch,
} from '../../model/policy.ts';

/** A rule of a ClusterNetworkPolicy that matches a connection. */
export interface MatchingRule {
  readonly policy: EnforcedPolicy;
  readonly rule: PolicyRule;
  /** Why Postern cannot tell whether the rule selects the other end. The rule then denies this (S10.11). */
  readonly undecided?: string;
}

/** What decides about a connection in one direction, by the rules that the agent has. */
export type Deciding = {
  /** The `Pass` rules that matched before. */
  readonly passedBy: readonly MatchingRule[];
} & (
  | { readonly by: 'rule'; readonly decidedBy: MatchingRule }
  /** The NetworkPolicies that isolate the pod decide. */
  | { readonly by: 'network-policies' }
  | { readonly by: 'nothing' }
  /** There are more rules than the budget allows to compare. */
  | { readonly by: 'unknown' }
);

/** Peers and ports that may still be compared. */
export interface Budget {
  left: number;
}

interface Connection {
  readonly protocol: string;
  readonly port: number | undefined;
  readonly other: { readonly text: string; readonly address: Address | undefined; readonly owners: Owners };
  /** What port names mean on the destination. */
  readonly declared: readonly NamedPort[];
}

/**
 * Finds the rule that decides about a connection of a pod: of all policies that select it, in order, the first that matches (S10.2, S10.3). The agent has the
 * rules at hand. So this needs no request to the API server, however many policies there are.
 * @param policies those that select the pod, in the order in which they judge
 */
export function findDeciding(
  policies: readonly Policy[],
  denial: RecordedDenial,
  ownersOf: (address: string) => Owners,
  budget: Budget,
): Deciding {
  const { direction, source, destination } = denial;
  budget.left -= policies.length + 1;
  if (budget.left < 0) return { by: 'unknown', passedBy: [] };
  const connection = readConnection(denial, ownersOf);
  const passedBy: MatchingRule[] = [];
  for (const tier of tiers) {
    const ofTier = policies.filter((policy): policy is EnforcedPolicy => policy.tier === tier);
    if (tier === 'NetworkPolicy') {
      const isIsolated = ofTier.some(({ isolates }) => isolates.has(direction));
      // S5.5: for NetworkPolicies, a pod always reaches itself.
      if (isIsolated) return { by: source === destination ? 'nothing' : 'network-policies', passedBy };
      continue;
    }
    const first = findFirst(ofTier, direction, connection, budget);
    if (first === 'unknown') return { by: 'unknown', passedBy };
    if (first && first.rule.action !== 'Pass') return { by: 'rule', decidedBy: first, passedBy };
    if (first) passedBy.push(first);
  }
  return { by: 'nothing', passedBy };
}

function readConnection(denial: RecordedDenial, ownersOf: (address: string) => Owners): Connection {
  const { direction, source, destination, protocol, port } = denial;
  const other = direction === 'egress' ? destination : source;
  const [server, ...others] = ownersOf(destination).pods;
  return {
    protocol: protocol.toUpperCase(),
    port,
    other: { text: other, address: parseAddress(other), owners: ownersOf(other) },
    declared: others.length === 0 ? (server?.pod.ports ?? []) : [],
  };
}

function findFirst(
  policies: readonly EnforcedPolicy[],
  direction: RecordedDenial['direction'],
  connection: Connection,
  budget: Budget,
): MatchingRule | 'unknown' | undefined {
  for (const policy of policies) {
    for (const rule of policy.rules[direction]) {
      budget.left -= costOf(rule);
      if (budget.left < 0) return 'unknown';
      const isMatch =
        rule.ports.some((port) => matchesPort(port, connection)) &&
        rule.peers.some((peer) => matchesPeer(peer, policy.groups, connection));
      if (isMatch) return { policy, rule, ...(rule.origin?.isUndecided && { undecided: whyUnplaced(connection) }) };
    }
  }
  return undefined;
}

function whyUnplaced({ other: { text, owners } }: Connection): string {
  const [owner, ...others] = owners.pods;
  if (!owner || others.length > 0) return `several pods claim ${text}`;
  const { namespace, name } = owner.pod;
  return `namespace ${namespace} of ${namespace}/${name} is not known`;
}

function costOf({ peers, ports }: PolicyRule): number {
  return peers.reduce((sum, peer) => sum + (peer.kind === 'cidr' ? peer.ranges.length : 1), ports.length);
}

function matchesPeer(peer: Peer, groups: Policy['groups'], { other: { address, owners } }: Connection): boolean {
  switch (peer.kind) {
    case 'any':
      return true;
    case 'cidr':
      return address !== undefined && peer.ranges.some((range) => containsAddress(range, address));
    case 'pods': {
      const selection = groups.get(peer.group);
      return selection !== undefined && selects(selection, owners);
    }
  }
}

/** No selector of pods matches an address that several pods claim, or of a pod whose namespace is not known: they have a selection of their own (S10.11). */
function selects(selection: GroupSelection, { pods, nodes }: Owners): boolean {
  if ('nodes' in selection) return nodes.some(({ labels = {} }) => matchesSelector(selection.nodes, labels));
  const [owner, ...others] = pods;
  if ('unplaced' in selection) return others.length > 0 || (owner !== undefined && !owner.namespace);
  return owner !== undefined && others.length === 0 && selectsPod(selection, owner);
}

function selectsPod(
  { namespaces, pods }: Extract<GroupSelection, { readonly pods: unknown }>,
  { pod, namespace }: OwningPod,
): boolean {
  if (!matchesSelector(pods, pod.labels)) return false;
  if (namespaces === 'all') return true;
  if ('name' in namespaces) return namespaces.name === pod.namespace;
  return namespace !== undefined && matchesSelector(namespaces.selector, namespace.labels);
}

function matchesPort(match: PortMatch, { protocol, port, declared }: Connection): boolean {
  if (match.kind === 'any') return true;
  if (match.protocol !== protocol || port === undefined) return false;
  if (match.kind === 'range') return match.first <= port && port <= match.last;
  return declared.some((each) => each.name === match.name && each.protocol === protocol && each.port === port);
}
