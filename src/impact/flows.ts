import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision, Direction, Endpoint, Flow } from '../evaluator/decision.ts';
import { evaluate, resolveEndpoint } from '../evaluator/evaluator.ts';
import type { Pod } from '../evaluator/party.ts';
import type { Family } from '../model/address.ts';
import { ownersAt } from './owners.ts';
import { directions } from './isolation.ts';
import { allows, reasonsOf } from './reason.ts';
import type { Ends, Reason } from './reason.ts';
import type { NodeFlows, SeenFlow } from './seen-flow.ts';
import type { Touch } from './touch.ts';

/** A tracked flow whose verdict changes. */
export interface FlowChange {
  /** `namespace/name`, `node NAME` or an address. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: Flow['protocol'];
  readonly destinationPort?: number;
  readonly families: readonly Family[];
  /** Service addresses that the clients used. */
  readonly via: readonly string[];
  readonly connections: number;
  readonly open: number;
  /** Why the flow is denied: after the change if it is cut, before the change if it opens. */
  readonly reasons: readonly Reason[];
}

export interface FlowChanges {
  /** Number of all tracked flows. */
  readonly seen: number;
  readonly cut: readonly FlowChange[];
  readonly opened: readonly FlowChange[];
}

/** One flow, merged over all nodes that track it. */
interface Tuple {
  readonly flow: SeenFlow;
  readonly source: string;
  readonly destination: string;
  /** The flow to evaluate at each end; missing if the end is not a pod, or if the pod's node has not tracked the flow. */
  readonly ends: Partial<Record<Direction, Flow>>;
  readonly via: Set<string>;
  /** Number of connections by node. */
  readonly counts: Map<NodeFlows, Count>;
}

type Count = Pick<SeenFlow, 'connections' | 'open'>;

/**
 * Evaluates each flow before and after. Each end counts as the node of its pod has tracked it (S0.2), because NAT can change the
 * addresses that other nodes see. If that node was not asked, the entries of other nodes count.
 */
export function findFlowChanges(
  before: Cluster,
  after: Cluster,
  seen: readonly NodeFlows[],
  touch: Touch,
): FlowChanges {
  const tuples = collect(before, after, seen);
  const [cut, opened]: [[Tuple, Ends][], [Tuple, Ends][]] = [[], []];
  for (const tuple of tuples) {
    if (!canChange(touch, tuple)) continue;
    const [then, now] = [evaluateEnds(before, tuple), evaluateEnds(after, tuple)];
    if (allows(then) && !allows(now)) cut.push([tuple, now]);
    else if (!allows(then) && allows(now)) opened.push([tuple, then]);
  }
  return { seen: tuples.length, cut: joinFamilies(cut), opened: joinFamilies(opened) };
}

function canChange(touch: Touch, { ends }: Tuple): boolean {
  return Object.values(ends).some(({ source, destination, family }) =>
    touch.canChange(touch.endAt(source, family), touch.endAt(destination, family)),
  );
}

function collect(cluster: Cluster, after: Cluster, seen: readonly NodeFlows[]): Tuple[] {
  const tuples = new Map<string, Tuple>();
  const asked = new Set(seen.map(({ node }) => node));
  for (const told of seen) {
    const { node } = told;
    const own = new Set(told.addresses);
    for (const flow of told.flows) {
      const { family, protocol, destinationPort } = flow;
      const source = endpointOf(cluster, flow.source, node, own);
      const destination = endpointOf(cluster, flow.destination, node, own);
      const key = [protocol, flow.source, flow.destination, destinationPort].join(' ');
      let tuple = tuples.get(key);
      if (!tuple) {
        const names = { source: nameOf(cluster, source, family), destination: nameOf(cluster, destination, family) };
        tuple = { flow, ...names, ends: {}, via: new Set(), counts: new Map() };
        tuples.set(key, tuple);
      }
      if (flow.via !== undefined) tuple.via.add(flow.via);
      const { connections = 0, open = 0 } = tuple.counts.get(told) ?? {};
      tuple.counts.set(told, { connections: connections + flow.connections, open: open + flow.open });
      for (const direction of directions) {
        const end = direction === 'egress' ? source : destination;
        const owners = [...ownersAt(cluster, end, family), ...ownersAt(after, end, family)];
        if (tuple.ends[direction] || !owners.some((pod) => countsFor(pod, node, asked))) continue;
        const port = destinationPort === undefined ? {} : { destinationPort };
        // The node sees what a pod sends to itself only if a Service brings it back (S10.18).
        const way = flow.source === flow.destination ? { throughService: true as const } : {};
        tuple.ends[direction] = { source, destination, protocol, ...port, family, ...way };
      }
    }
  }
  return [...tuples.values()];
}

function countsFor(pod: Pod, node: string | undefined, asked: ReadonlySet<string | undefined>): boolean {
  return node === undefined || pod.nodeName === undefined || pod.nodeName === node || !asked.has(pod.nodeName);
}

function evaluateEnds(cluster: Cluster, { ends }: Tuple): Ends {
  const verdicts: { [D in Direction]?: Decision[D] } = {};
  for (const direction of directions) {
    const flow = ends[direction];
    if (flow) verdicts[direction] = evaluate(cluster, flow)[direction];
  }
  return verdicts;
}

/** Traffic of the node's own sockets belongs to the node, with any of its addresses (S5.2). */
function endpointOf(cluster: Cluster, address: string, node: string | undefined, own: ReadonlySet<string>): Endpoint {
  const isOwn = node !== undefined && cluster.nodes.has(node) && own.has(address) && !cluster.claimants.has(address);
  return isOwn ? { node, address } : { address };
}

function nameOf(cluster: Cluster, endpoint: Endpoint, family: Family): string {
  const party = resolveEndpoint(cluster, endpoint, family);
  return typeof party === 'string' ? party : party.name;
}

/** Merges IPv4 and IPv6 flows of one pair with the same reasons. Sorts by the number of connections, descending. */
function joinFamilies(changed: readonly (readonly [Tuple, Ends])[]): FlowChange[] {
  const changes = new Map<string, FlowChange>();
  for (const [{ source, destination, flow, via, counts }, denied] of changed) {
    const { protocol, destinationPort, family } = flow;
    // Both nodes of a connection track it, so the counts must not be added.
    const most = (of: keyof Count): number => Math.max(...[...counts.values()].map((count) => count[of]));
    const reasons = reasonsOf(denied);
    const key = JSON.stringify([source, destination, protocol, destinationPort, reasons]);
    const same = changes.get(key);
    changes.set(key, {
      source,
      destination,
      protocol,
      ...(destinationPort !== undefined && { destinationPort }),
      families: [...new Set([...(same?.families ?? []), family])],
      via: [...new Set([...(same?.via ?? []), ...via])],
      connections: most('connections') + (same?.connections ?? 0),
      open: most('open') + (same?.open ?? 0),
      reasons,
    });
  }
  return [...changes.values()].sort((a, b) => b.connections - a.connections);
}
