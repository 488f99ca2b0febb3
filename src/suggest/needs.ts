import { evaluate, familiesOf } from '../evaluator/evaluator.ts';
import type { Endpoint } from '../evaluator/decision.ts';
import { keyOfEnd, type FlowEnd } from '../flows/kept-flow.ts';
import type { Labels } from '../flows/owner-labels.ts';
import type { Traffic } from '../flows/traffic.ts';
import { addressBits, families, formatAddress, parseCidr } from '../model/address.ts';
import type { InsideAddresses } from './blocks.ts';
import { hasLabels } from './choose-labels.ts';
import { dnsLabels, isDns } from './dns.ts';
import type { Need, Peer, PortProtocol, RulePort } from './peer.ts';
import { isSame, type Scene } from './scene.ts';

/** Why a suggestion does not allow what was seen. */
export type WhyNot = 'denied' | 'unanswered' | 'no-ports' | 'other-ports' | 'other-ends' | 'gone' | 'of-the-cluster';

export type Direction = 'ingress' | 'egress';

/** Connections between two ends on one port, whatever came of them. */
export interface Seen {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly protocol: Traffic['protocol'];
  readonly port?: Traffic['port'];
  /** Connections by verdict; missing if there were none, and 0 if all of them began earlier. */
  readonly allowed?: number;
  readonly unanswered?: number;
  readonly denied?: number;
}

export interface Choice {
  readonly includeDenied: boolean;
  readonly includeUnanswered: boolean;
}

/** What was seen in one direction of a subject: allowed by these needs, or left out. */
export interface Judged {
  readonly direction: Direction;
  readonly seen: Seen;
  readonly needs: readonly Need[];
  readonly whyNot?: WhyNot;
}

export function joinVerdicts(traffic: readonly Traffic[]): Seen[] {
  const groups = Map.groupBy(traffic, ({ from, to, protocol, port }) =>
    [keyOfEnd(from), keyOfEnd(to), protocol, port].join('|'),
  );
  return Array.from(groups.values(), (group): Seen => {
    const { from, to, protocol, port } = group[0]!;
    const counts = Object.fromEntries(group.map(({ verdict, connections }) => [verdict, connections]));
    return { from, to, protocol, ...(port !== undefined && { port }), ...counts };
  });
}

/** Decides for all that was seen at the pods of a subject. What its own node sends always passes (S5.1), and needs nothing. */
export function judgeSeen(
  scene: Scene,
  all: readonly Seen[],
  subject: { readonly namespace: string; readonly labels: Labels },
  inside: InsideAddresses,
  choice: Choice,
): Judged[] {
  const isSubject = (end: FlowEnd): boolean =>
    end.kind === 'workload' && end.namespace === subject.namespace && hasLabels(end.labels, subject.labels);
  return all.flatMap((seen) => {
    const judge = (direction: Direction, other: FlowEnd): Judged => {
      const whyNot = whyNotAllowed(scene, seen, direction, choice);
      if (whyNot) return { direction, seen, needs: [], whyNot };
      const peers = peersAt(scene, other, inside);
      if (typeof peers === 'string') return { direction, seen, needs: [], whyNot: peers };
      const needs = peers.map((peer): Need => ({
        peer,
        port: portOf(scene, seen, direction === 'egress' ? peer : { kind: 'pods', ...subject }),
      }));
      return { direction, seen, needs };
    };
    return [
      ...(isSubject(seen.to) && seen.from.kind !== 'own-node' ? [judge('ingress', seen.from)] : []),
      ...(isSubject(seen.from) ? [judge('egress', seen.to)] : []),
    ];
  });
}

function whyNotAllowed(
  scene: Scene,
  seen: Seen,
  direction: Direction,
  { includeDenied, includeUnanswered }: Choice,
): WhyNot | undefined {
  const { protocol, port, allowed, denied } = seen;
  // A rule with ports matches no ICMP, and one without ports opens all of them (S4).
  if (protocol === 'ICMP' || port === undefined) return 'no-ports';
  if (port === 'other' || port === 0) return 'other-ports';
  const isDenied = (allowed === undefined && denied !== undefined) || isDeniedNow(scene, seen);
  if (isDenied) return includeDenied ? undefined : 'denied';
  if (allowed !== undefined || includeUnanswered) return undefined;
  // A client of UDP may want no answer. But anyone can send one packet to a server, also under another address.
  return protocol === 'UDP' && direction === 'egress' ? undefined : 'unanswered';
}

/** A connection from before a policy stays in the kernel, and its packets are dropped. So the current policies decide. */
function isDeniedNow(scene: Scene, { from, to, protocol, port }: Seen): boolean {
  const { cluster } = scene;
  if (cluster.policies.all.length === 0) return false;
  if (typeof port !== 'number') return false;
  const pairs = endpointsAt(scene, from).flatMap((source) =>
    endpointsAt(scene, to).flatMap((destination) => {
      const family = families.find((each) =>
        [source, destination].every((endpoint) => familiesOf(cluster, endpoint).includes(each)),
      );
      return family === undefined ? [] : [{ source, destination, protocol, destinationPort: port, family }];
    }),
  );
  return pairs.length > 0 && pairs.every((flow) => evaluate(cluster, flow).verdict === 'denied');
}

/** One pod for each set of named ports, because a policy can tell them apart by these. Empty for pods that have gone, and for ends that cannot be named. */
function endpointsAt(scene: Scene, end: FlowEnd): Endpoint[] {
  switch (end.kind) {
    case 'workload': {
      const pods = scene
        .podsOf(end.namespace)
        .filter(({ labels, read }) => isSame(labels, end.labels) && read.addresses.length > 0);
      const kinds = new Map(pods.map(({ read }) => [JSON.stringify(read.namedPorts), read.key]));
      return [...kinds.values()].map((pod) => ({ pod }));
    }
    case 'node':
      return [{ node: end.name }];
    case 'block': {
      const { family, first, last } = parseCidr(end.cidr)!;
      // Policies may judge the addresses of a wider block apart, and which of them were seen is not known.
      return first === last ? [{ address: formatAddress(family, first) }] : [];
    }
    case 'own-node':
    case 'namespace':
    case 'others':
      return [];
  }
}

/** The peers that stand for an end, or why there are none. */
function peersAt(scene: Scene, end: FlowEnd, inside: InsideAddresses): Peer[] | WhyNot {
  switch (end.kind) {
    case 'workload': {
      // Nothing is known of such pods, and a rule would select the whole namespace.
      if (Object.keys(end.labels).length === 0 && !scene.isLive(end)) return 'gone';
      const labels = isDns(end) ? dnsLabels : scene.labelsOfEnd(end).labels;
      return [{ kind: 'pods', namespace: end.namespace, labels }];
    }
    case 'block': {
      const range = parseCidr(end.cidr)!;
      return inside.meets(range) ? 'of-the-cluster' : [{ kind: 'block', cidr: end.cidr }];
    }
    case 'node': {
      const addresses = scene.cluster.nodes.get(end.name)?.addresses ?? [];
      if (addresses.length === 0) return 'other-ends';
      return addresses.map(({ family, value }) => ({
        kind: 'block',
        cidr: `${formatAddress(family, value)}/${addressBits[family]}`,
      }));
    }
    case 'own-node':
    case 'namespace':
    case 'others':
      return 'other-ends';
  }
}

/** The name of the port where all pods that are reached have it for this number alone. The cluster's DNS keeps its number, which stays when its pods are replaced by others. */
function portOf(scene: Scene, { to, protocol, port }: Seen, reached: Peer): RulePort {
  const number = { protocol: protocol as PortProtocol, port: port as number };
  if (reached.kind === 'block' || isSame(reached.labels, dnsLabels)) return number;
  const pods = scene.selected(reached.namespace, reached.labels);
  // Pods that have gone may have had other names.
  if (to.kind !== 'workload' || !pods.some(({ labels }) => isSame(labels, to.labels))) return number;
  const candidates = pods[0]?.read.namedPorts.filter(
    (each) => each.protocol === number.protocol && each.port === number.port,
  );
  const named = candidates?.find(({ name }) =>
    pods.every(({ read }) => {
      const same = read.namedPorts.filter((each) => each.name === name && each.protocol === number.protocol);
      return same.length > 0 && same.every((each) => each.port === number.port);
    }),
  );
  return named ? { protocol: number.protocol, port: named.name } : number;
}
