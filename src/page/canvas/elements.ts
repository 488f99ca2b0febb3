import type { MapEdge, MapNode } from '../../map/policy-map.ts';
import type { SeenMap } from '../../map/see-map.ts';
import { formatShort, shortLabel } from '../format.ts';
import { changeMarks } from '../marks.tsx';
import { visible } from '../text.tsx';

/** A node, a box or an edge for cytoscape. */
export interface Element {
  readonly id: string;
  readonly data: Readonly<Record<string, string | number | undefined>>;
  readonly classes: readonly string[];
}

export interface Elements {
  readonly boxes: readonly Element[];
  readonly nodes: readonly Element[];
  readonly edges: readonly Element[];
}

/** With so many edges, all have their ports beside them; with more, they are drawn in the fastest way. */
const fewEdges = 24;
const manyEdges = 400;
const mostLetters = 28;
const mostPorts = 3;

export const elementId = {
  box: (namespace: string): string => `b ${namespace}`,
  node: (id: string): string => `n ${id}`,
  edge: (id: string): string => `e ${id}`,
};

/**
 * What cytoscape draws of a map.
 * @param measure the width of a text in pixels
 * @param isChange the map shows a change: edges that it does not touch step back
 */
export function elementsOf(seen: SeenMap, measure: (text: string) => number, isChange: boolean): Elements {
  const count = seen.edges.length;
  const labels = labelsOf(seen.nodes);
  return {
    boxes: seen.boxes.map((namespace) => ({
      id: elementId.box(namespace),
      data: { label: cut(visible(namespace)) + unused(seen.idlePolicies.get(namespace)), at: namespace },
      classes: ['box'],
    })),
    nodes: seen.nodes.map((node) => nodeOf(node, labels.get(node.id)!, measure)),
    edges: seen.edges.map((edge) => edgeOf(edge, count, isChange)),
  };
}

function nodeOf(node: MapNode, label: string, measure: (text: string) => number): Element {
  const { id, kind, namespace, badges } = node;
  const isAlarm = badges.some((badge) => badge.kind === 'not-enforced');
  const isOpen = badges.some(({ kind: each }) => each === 'no-ingress-isolation' || each === 'no-egress-isolation');
  const hasUnused = badges.some((badge) => badge.kind === 'no-match');
  const text = (isAlarm ? `! ${label}` : label) + unused(hasUnused ? 1 : 0);
  const parent = namespace !== undefined && kind !== 'namespace' ? elementId.box(namespace) : undefined;
  const isOutside = ['node', 'block', 'internet', 'private', 'others'].includes(kind);
  return {
    id: elementId.node(id),
    data: { at: id, label: text, parent, width: Math.max(48, Math.ceil(measure(text)) + 22), height: 28 },
    classes: [kind, isOutside ? 'outside' : '', isAlarm ? 'alarm' : isOpen ? 'open' : ''].filter(Boolean),
  };
}

/** Of a namespace: policies that select no pod. Of a workload: rules of its policies that matched nothing. */
function unused(count = 0): string {
  return count === 0 ? '' : count === 1 ? ' ∅' : ` ∅${count}`;
}

function edgeOf(
  { id, from, to, connections, ports, verdict, change }: MapEdge,
  count: number,
  isChange: boolean,
): Element {
  const names = ports.slice(0, mostPorts).map(({ name }) => name.replace(/^TCP\//, ''));
  const more = ports.length > mostPorts ? ` +${ports.length - mostPorts}` : '';
  const word = change === undefined ? '' : `${changeMarks[change].word}: `;
  const weight = connections > 0 ? ` · ${formatShort(connections)}` : '';
  const isLabelled = change !== undefined || (!isChange && count <= fewEdges);
  return {
    id: elementId.edge(id),
    data: {
      at: id,
      source: elementId.node(from),
      target: elementId.node(to),
      label: word + names.join(', ') + more + weight,
      width: 1.3 + Math.min(5, Math.log10(1 + connections) * 1.1),
      change,
    },
    classes: [
      verdict,
      change === undefined ? '' : `change-${change}`,
      isChange && change === undefined ? 'same' : '',
      isLabelled ? 'labelled' : '',
      count > manyEdges ? 'many' : '',
    ].filter(Boolean),
  };
}

/** The name alone; with the kind where two nodes of a namespace would look alike. */
function labelsOf(nodes: readonly MapNode[]): Map<string, string> {
  const counts = new Map<string, number>();
  const keyOf = ({ namespace, label }: MapNode): string => JSON.stringify([namespace, shortLabel(label)]);
  for (const node of nodes) counts.set(keyOf(node), (counts.get(keyOf(node)) ?? 0) + 1);
  return new Map(
    nodes.map((node) => {
      const label = counts.get(keyOf(node)) === 1 ? shortLabel(node.label) : node.label;
      return [node.id, cut(visible(label))];
    }),
  );
}

function cut(text: string): string {
  const letters = Array.from(text);
  return letters.length <= mostLetters ? text : `${letters.slice(0, mostLetters - 1).join('')}…`;
}
