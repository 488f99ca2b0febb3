import { describeTierRule } from '../../evaluator/cluster-policy-tier.ts';
import type { Direction, Endpoint, Flow, PortProtocol, TierRuleRef } from '../../evaluator/decision.ts';
import { evaluate, familiesOf } from '../../evaluator/evaluator.ts';
import type { Pod } from '../../evaluator/party.ts';
import type { Peer } from '../../evaluator/peer.ts';
import type { Policy, Rule } from '../../evaluator/policy.ts';
import { selects } from '../../evaluator/selector.ts';
import { formatAddress } from '../../model/address.ts';
import { directions } from '../../model/policy.ts';
import { costOf } from './cut.ts';
import type { PodClass, TierFacts } from './facts.ts';

/** Two policies of one tier and priority that decide differently about a connection. */
export interface Tie {
  /** Its rule decides, because its name comes first. */
  readonly first: TierRuleRef;
  readonly second: TierRuleRef;
  readonly direction: Direction;
  /** A pod that both select, and a connection of it. */
  readonly pod: string;
  readonly example: string;
}

export interface Ties {
  readonly ties: readonly Tie[];
  /** Whether some are not looked for, because the policies have too many rules. */
  readonly isCutShort: boolean;
}

/** Limits the work: rules that the evaluator compares with connections. */
const mostRules = 1_000_000;
const mostOthers = 100;
const mostOfPeer = 25;
const mostPorts = 25;

/**
 * Finds policies of one tier and priority that match the same connection with different actions (S10.8). It tries connections that the rules name, and the
 * evaluator judges each. So each tie that it finds is real, and it can miss some.
 */
export function findTies(facts: TierFacts): Ties {
  const ties = new Map<string, Tie>();
  const seen = new Set<string>();
  let left = mostRules;
  for (const each of facts.classes) {
    for (const direction of directions) {
      const tied = findTied(each.policies, direction);
      const key = `${direction} ${tied.map(({ ref }) => ref).join()}`;
      if (tied.length === 0 || seen.has(key)) continue;
      seen.add(key);
      const rules = tied.flatMap((policy) => policy.rules[direction]);
      const cost = costOf(each);
      for (const flow of connectionsOf(each, direction, rules, facts)) {
        if ((left -= cost) < 0) return { ties: [...ties.values()], isCutShort: true };
        for (const tie of tiesAt(facts, each.pod, flow, direction)) {
          const names = `${tie.first.policy} ${tie.second.policy}`;
          if (!ties.has(names)) ties.set(names, tie);
        }
      }
    }
  }
  return { ties: [...ties.values()], isCutShort: false };
}

/** Those that share tier and priority with another, if both have rules in the direction. */
function findTied(policies: readonly Policy[], direction: Direction): Policy[] {
  const judging = policies.filter(({ rules }) => rules[direction].length > 0);
  const groups = Map.groupBy(judging, ({ tier, priority }) => `${tier} ${priority}`);
  return [...groups.values()].filter(({ length }) => length > 1).flat();
}

function tiesAt({ cluster }: TierFacts, { key }: Pod, flow: Flow, direction: Direction): Tie[] {
  const { tiers } = evaluate(cluster, flow)[direction];
  if (!tiers) return [];
  const matching = [...tiers.passedBy, ...(tiers.decidedBy ? [tiers.decidedBy] : [])];
  return matching.flatMap((first) => {
    const second = tiers.passedOver.find(
      ({ tier, priority, policy, action }) =>
        tier === first.tier && priority === first.priority && policy !== first.policy && action !== first.action,
    );
    if (!second) return [];
    const other = nameOf(direction === 'egress' ? flow.destination : flow.source);
    const ends = direction === 'egress' ? [key, other] : [other, key];
    const example = `${ends.join(' → ')}, ${flow.protocol}/${flow.destinationPort}`;
    return [{ first, second, direction, pod: key, example }];
  });
}

/** `rule 1 of … (Admin tier, priority 10) is Accept` */
export function describeTied(rule: TierRuleRef): string {
  return `${describeTierRule(rule)} is ${rule.action}`;
}

function nameOf(end: Endpoint): string {
  return 'pod' in end ? end.pod : 'node' in end ? end.node : end.address;
}

function* connectionsOf(
  { pod }: PodClass,
  direction: Direction,
  rules: readonly Rule[],
  facts: TierFacts,
): Generator<Flow> {
  const ports = portsOf(rules, facts);
  for (const other of othersOf(rules, facts)) {
    const own: Endpoint = { pod: pod.key };
    const [source, destination] = direction === 'egress' ? [own, other] : [other, own];
    const common = familiesOf(facts.cluster, source).filter((each) =>
      familiesOf(facts.cluster, destination).includes(each),
    );
    const [family] = common;
    if (family === undefined || ('pod' in other && other.pod === pod.key)) continue;
    for (const { protocol, port } of ports) yield { source, destination, protocol, destinationPort: port, family };
  }
}

/** Ends that the rules name: pods, the first address of each network, nodes. */
function othersOf(rules: readonly Rule[], facts: TierFacts): Endpoint[] {
  const found = new Map<string, Endpoint>();
  const peers = rules.flatMap((rule): readonly Peer[] => (rule.peers === 'any' ? [] : rule.peers));
  const ofPeers = peers.flatMap((peer) => endpointsOf(peer, facts));
  const someone = facts.classes.slice(0, 2).map(({ pod }): Endpoint => ({ pod: pod.key }));
  for (const end of [...ofPeers, ...someone]) if (found.size < mostOthers) found.set(nameOf(end), end);
  return [...found.values()];
}

function endpointsOf(peer: Peer, { cluster, classes }: TierFacts): Endpoint[] {
  switch (peer.kind) {
    case 'pods':
      return take(classes, mostOfPeer, ({ pod }) => {
        const labels = cluster.namespaceLabels.get(pod.namespace);
        return (
          labels !== undefined &&
          (!peer.namespaces || selects(peer.namespaces, labels)) &&
          selects(peer.pods, pod.labels)
        );
      }).map(({ pod }) => ({ pod: pod.key }));
    case 'block':
      return [{ address: formatAddress(peer.cidr.range.family, peer.cidr.range.first) }];
    case 'nodes':
      return take(cluster.nodes.values(), mostOfPeer, (node) => selects(peer.nodes, node.labels)).flatMap(
        ({ addresses }) => addresses.map(({ family, value }) => ({ address: formatAddress(family, value) })),
      );
    case 'broken':
      return [];
  }
}

function take<T>(items: Iterable<T>, most: number, isWanted: (item: T) => boolean): T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (taken.length === most) break;
    if (isWanted(item)) taken.push(item);
  }
  return taken;
}

/** The first port of each range. Of two ranges that overlap, one has the first port of the other. */
function portsOf(rules: readonly Rule[], { classes }: TierFacts): { protocol: PortProtocol; port: number }[] {
  const found = new Map<string, { protocol: PortProtocol; port: number }>();
  const add = (protocol: PortProtocol, port: number): void => {
    if (found.size < mostPorts) found.set(`${protocol} ${port}`, { protocol, port });
  };
  for (const { ports } of rules) {
    if (ports === 'any') add('TCP', 80);
    else
      for (const port of ports) {
        if (port.kind === 'range') add(port.protocol, port.first);
        if (port.kind === 'all') add(port.protocol, 80);
        if (port.kind !== 'named') continue;
        const declaring = take(classes, 3, ({ pod }) => pod.namedPorts.some(({ name }) => name === port.name));
        for (const { pod } of declaring)
          for (const each of pod.namedPorts) if (each.name === port.name) add(each.protocol, each.port);
      }
  }
  return [...found.values()];
}
