import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision, Endpoint, Flow } from '../evaluator/decision.ts';
import { evaluate, familiesOf } from '../evaluator/evaluator.ts';
import { keyOfEnd, type FlowEnd, type KeptProtocol } from '../flows/kept-flow.ts';
import type { Traffic } from '../flows/traffic.ts';
import { families } from '../model/address.ts';
import type { MapVerdict } from './policy-map.ts';
import type { Spot, Spots } from './spots.ts';

/** Connections between two ends on one port, seen or possible. */
export interface Line {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly fromSpot: Spot;
  readonly toSpot: Spot;
  readonly protocol: KeptProtocol;
  readonly port?: number | 'other' | undefined;
  /** Of each verdict that was seen; empty for a possible line. */
  readonly traffic: readonly Traffic[];
  /** What the evaluator is asked about it; empty if it cannot be judged. */
  readonly flows: readonly Flow[];
}

/** `TCP/8080`, `UDP/other`, `ICMP` */
export function portName({ protocol, port }: Pick<Line, 'protocol' | 'port'>): string {
  return port === undefined ? protocol : `${protocol}/${port}`;
}

/** `FROM → TO`. An end whose own name has an arrow does not make the id of another edge. */
export function edgeId(from: string, to: string): string {
  return [from, to].map((id) => id.replaceAll('→', '\\u2192')).join(' → ');
}

/** One line for all verdicts. */
export function seenLines(traffic: readonly Traffic[], spots: Spots, cluster: Cluster): Line[] {
  const groups = Map.groupBy(traffic, ({ from, to, protocol, port }) =>
    [keyOfEnd(from), keyOfEnd(to), protocol, port].join('|'),
  );
  return Array.from(groups.values(), (group) => {
    const { from, to, protocol, port } = group[0]!;
    return makeLine({ from, to, protocol, port }, group, spots, cluster);
  });
}

export function makeLine(
  given: Pick<Line, 'from' | 'to' | 'protocol' | 'port'>,
  traffic: readonly Traffic[],
  spots: Spots,
  cluster: Cluster,
): Line {
  const { from, to } = given;
  return { ...given, fromSpot: spots.of(from), toSpot: spots.of(to), traffic, flows: flowsOf(given, spots, cluster) };
}

function flowsOf(
  { from, to, protocol, port }: Pick<Line, 'from' | 'to' | 'protocol' | 'port'>,
  spots: Spots,
  cluster: Cluster,
): Flow[] {
  if (port === 'other') return [];
  const pairs = spots.pairs(from, to);
  // Two pods of one workload stand for it, if it has two.
  const apart = pairs.filter(([source, destination]) => !isSamePod(source, destination));
  const judged = apart.length > 0 ? apart : pairs;
  return judged.flatMap(([source, destination]) =>
    families.flatMap((family): Flow[] => {
      if (![source, destination].every((each) => familiesOf(cluster, each).includes(family))) return [];
      return [
        {
          ...{ source, destination, protocol, family },
          ...(port !== undefined && { destinationPort: port }),
          // What never leaves the pod meets no rule of the node (S10.18), and is not seen.
          ...(isSamePod(source, destination) && { throughService: true }),
        },
      ];
    }),
  );
}

function isSamePod(a: Endpoint, b: Endpoint): boolean {
  return 'pod' in a && 'pod' in b && a.pod === b.pod;
}

/** The verdicts of a cluster on lines, each asked once. */
export class Verdicts {
  readonly cluster: Cluster;
  readonly #known = new Map<Line, readonly Decision[]>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  decide(line: Line): readonly Decision[] {
    let decisions = this.#known.get(line);
    if (!decisions) {
      decisions = line.flows.map((flow) => evaluate(this.cluster, flow));
      this.#known.set(line, decisions);
    }
    return decisions;
  }

  of(line: Line): MapVerdict {
    return joinVerdicts(this.decide(line).map(({ verdict }) => verdict));
  }
}

/** `unknown` counts only if nothing else is there. */
export function joinVerdicts(verdicts: readonly MapVerdict[]): MapVerdict {
  const [first, ...others] = new Set(verdicts.filter((each) => each !== 'unknown'));
  return first === undefined ? 'unknown' : others.length > 0 ? 'both' : first;
}
