import { formatAddress } from '../model/address.ts';
import type { Cluster } from './cluster.ts';
import type { Decision, Direction, Flow, Verdict } from './decision.ts';
import { resolveEndpoint } from './evaluator.ts';

/** A node whose kernel judges a connection, and what it should say. */
export interface Judge {
  readonly node: string;
  /** Where the packet is met: on its way through the node, or to the node's own sockets (S5.7). */
  readonly hook: 'forward' | 'input';
  readonly directions: readonly Direction[];
  readonly expected: Verdict;
  readonly source: string;
  readonly destination: string;
}

/**
 * The node of the pod that opens the connection, and that of the pod that is reached; one node for both where they are together. What a node's own sockets send is
 * judged by nobody there (S5.1), so between a node and a pod of its own there may be none.
 */
export function judgesOf(cluster: Cluster, { source, destination, family }: Flow, decision: Decision): Judge[] {
  const [from, to] = [source, destination].map((end) => resolveEndpoint(cluster, end, family));
  if (!from || !to || typeof from === 'string' || typeof to === 'string') return [];
  // What several pods claim has no one place.
  if ([from, to].some(({ pod, claimants }) => !pod && claimants.length > 0)) return [];
  const addresses = {
    source: formatAddress(family, from.address.value),
    destination: formatAddress(family, to.address.value),
  };
  const judge = (node: string, hook: Judge['hook'], directions: readonly Direction[]): Judge => {
    const denied = directions.some((direction) => decision[direction].verdict === 'denied');
    return { node, hook, directions, expected: denied ? 'denied' : 'allowed', ...addresses };
  };
  const [opens, reached] = [from.pod?.nodeName, to.pod?.nodeName];
  const judges: Judge[] = [];
  if (opens !== undefined) {
    if (to.node === opens) judges.push(judge(opens, 'input', ['egress']));
    else judges.push(judge(opens, 'forward', reached === opens ? ['egress', 'ingress'] : ['egress']));
  }
  if (reached !== undefined && reached !== opens && reached !== from.node) {
    judges.push(judge(reached, 'forward', ['ingress']));
  }
  return judges;
}
