import { formatAddress } from '../model/address.ts';
import type { Cluster } from './cluster.ts';
import type { Decision, Direction, Flow, Verdict } from './decision.ts';
import { resolveEndpoint } from './evaluator.ts';

/** A node that enforces policies on a connection, and the verdict that its rules should give. */
export interface EnforcingNode {
  readonly node: string;
  /** The nft hook: `input` for packets to the node's own sockets (S5.7), else `forward`. */
  readonly hook: 'forward' | 'input';
  readonly directions: readonly Direction[];
  readonly expected: Verdict;
  readonly source: string;
  readonly destination: string;
}

/**
 * Returns the node of the source pod and the node of the destination pod, one entry if both are the same. A node does not check
 * what its own sockets send to its pods (S5.1), so the list is empty for such a flow.
 */
export function enforcingNodesOf(
  cluster: Cluster,
  { source, destination, family }: Flow,
  decision: Decision,
): EnforcingNode[] {
  const [from, to] = [source, destination].map((end) => resolveEndpoint(cluster, end, family));
  if (!from || !to || typeof from === 'string' || typeof to === 'string') return [];
  // Several pods, perhaps on several nodes, claim the address.
  if ([from, to].some(({ pod, claimants }) => !pod && claimants.length > 0)) return [];
  const addresses = {
    source: formatAddress(family, from.address.value),
    destination: formatAddress(family, to.address.value),
  };
  const enforce = (node: string, hook: EnforcingNode['hook'], directions: readonly Direction[]): EnforcingNode => {
    const denied = directions.some((direction) => decision[direction].verdict === 'denied');
    return { node, hook, directions, expected: denied ? 'denied' : 'allowed', ...addresses };
  };
  const [opens, reached] = [from.pod?.nodeName, to.pod?.nodeName];
  const nodes: EnforcingNode[] = [];
  if (opens !== undefined) {
    if (to.node === opens) nodes.push(enforce(opens, 'input', ['egress']));
    else nodes.push(enforce(opens, 'forward', reached === opens ? ['egress', 'ingress'] : ['egress']));
  }
  if (reached !== undefined && reached !== opens && reached !== from.node) {
    nodes.push(enforce(reached, 'forward', ['ingress']));
  }
  return nodes;
}
