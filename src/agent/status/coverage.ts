import { compareText, sorted } from '../../lib/sort.ts';
import type { SpecVersion } from '../../model/node-policies.ts';
import { markOf, readMarks, type NodeReport } from './held-report.ts';

/** Some nodes: how many, and the first names, sorted. */
export interface SomeNodes {
  readonly count: number;
  readonly first: readonly string[];
}

/** On which of the cluster's nodes the kernel holds one version of a policy. */
export interface Coverage {
  readonly nodes: number;
  /** Nodes that do not hold it yet, or whose agent has not reported anything. */
  readonly lagging: SomeNodes;
  /** Nodes that leave its rules out. */
  readonly leftOut: SomeNodes;
}

/** Nodes with the same report. */
interface Group {
  readonly held: ReadonlySet<string>;
  readonly leftOut: ReadonlySet<string>;
  readonly nodes: SomeNodes;
}

/** Names in a message. */
const mostNamed = 3;

/**
 * Finds the coverage of policies. Only nodes that the cluster has count, each once, so a forged report adds no node and no name. It may only say that a
 * node of the cluster holds what it does not.
 */
export class NodeCoverage {
  readonly #nodes: number;
  readonly #groups: readonly Group[];

  /** @param nodes all nodes of the cluster by name */
  constructor(nodes: ReadonlyMap<string, { readonly uid: string }>, reports: Iterable<NodeReport>) {
    const known = new Map<string, NodeReport>();
    for (const report of reports) if (nodes.get(report.node)?.uid === report.nodeUid) known.set(report.node, report);
    // Nearly all nodes say the same, so that a cluster of 1,000 has few groups.
    const heldBy = (node: string): string => known.get(node)?.held ?? '';
    const leftOutBy = (node: string): string => known.get(node)?.leftOut ?? '';
    this.#nodes = nodes.size;
    this.#groups = Array.from(Map.groupBy(nodes.keys(), heldBy)).flatMap(([held, some]) =>
      Array.from(Map.groupBy(some, leftOutBy), ([leftOut, same]) => {
        return { held: readMarks(held), leftOut: readMarks(leftOut), nodes: firstOf(same) };
      }),
    );
  }

  of(policy: SpecVersion): Coverage {
    const mark = markOf(policy);
    const missing = this.#groups.filter(({ held }) => !held.has(mark));
    const [leftOut, lagging] = [true, false].map((isLeftOut) =>
      sum(missing.filter((group) => group.leftOut.has(mark) === isLeftOut).map(({ nodes }) => nodes)),
    ) as [SomeNodes, SomeNodes];
    return { nodes: this.#nodes, lagging, leftOut };
  }
}

function firstOf(names: readonly string[]): SomeNodes {
  return { count: names.length, first: sorted(names).slice(0, mostNamed) };
}

function sum(all: readonly SomeNodes[]): SomeNodes {
  return {
    count: all.reduce((total, { count }) => total + count, 0),
    first: all
      .flatMap(({ first }) => first)
      .sort(compareText)
      .slice(0, mostNamed),
  };
}

/** `node-7, node-9 and 3 more` */
export function describeNodes({ count, first }: SomeNodes): string {
  const left = count - first.length;
  return first.join(', ') + (left > 0 ? ` and ${left} more` : '');
}
