import { sorted } from '../lib/sort.ts';
import { edgeId } from './lines.ts';
import { joinPorts, mergePorts } from './draw.ts';
import type { MapEdge, MapNode, PolicyMap } from './policy-map.ts';
import type { View } from './view.ts';

/** The part of a map to draw. */
export interface SeenMap {
  /** Namespaces drawn as boxes, sorted. */
  readonly boxes: readonly string[];
  /** A collapsed namespace is a node of kind `namespace`. */
  readonly nodes: readonly MapNode[];
  /** Edges of collapsed namespaces are joined. Those within one are left out. */
  readonly edges: readonly MapEdge[];
  readonly idlePolicies: PolicyMap['idlePolicies'];
  /** Namespaces that are collapsed because the map would have too many nodes. */
  readonly tooLarge: readonly string[];
}

/** Nodes that people can read at once. If a user has chosen namespaces, more are drawn: what a canvas can move. */
const readableNodes = 150;
const drawableNodes = 600;

/** Applies a view: namespaces, collapsed ones, hidden nodes, search, only denied. */
export function seeMap(map: PolicyMap, view: View): SeenMap {
  const hidden = new Set(view.hidden);
  const searched = search(map, view);
  const wanted = new Set(view.namespaces);
  const isWanted = ({ namespace }: MapNode): boolean =>
    namespace !== undefined && (wanted.size === 0 || wanted.has(namespace));
  const shown = searched.nodes.filter(({ id }) => !hidden.has(id));
  const tooLarge = findTooLarge(shown.filter(isWanted), view);
  const collapsed = new Set([...view.collapsed, ...tooLarge]);
  // Nodes of namespaces that were not chosen stand beside as their namespace.
  const placeOf = ({ id, namespace }: MapNode): string =>
    namespace === undefined || (!collapsed.has(namespace) && (wanted.size === 0 || wanted.has(namespace)))
      ? id
      : namespaceId(namespace);
  const places = new Map(shown.map((node) => [node.id, placeOf(node)]));
  const inside = new Set(shown.filter(isWanted).map(({ id }) => places.get(id)!));
  const edges = joinEdges(searched.edges, places).filter(
    ({ from, to }) => !hidden.has(from) && !hidden.has(to) && (wanted.size === 0 || inside.has(from) || inside.has(to)),
  );
  const linked = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const nodes = joinNodes(shown, places).filter(
    (node) => !hidden.has(node.id) && (linked.has(node.id) || (inside.has(node.id) && !view.onlyDenied)),
  );
  const boxes = nodes.flatMap(({ kind, namespace }) =>
    namespace === undefined || kind === 'namespace' ? [] : [namespace],
  );
  return { boxes: sorted(new Set(boxes)), nodes, edges, idlePolicies: map.idlePolicies, tooLarge: sorted(tooLarge) };
}

function namespaceId(namespace: string): string {
  return `namespace ${namespace}`;
}

/** Nodes and edges that match, with the nodes at the other ends of their edges. */
function search({ nodes, edges }: PolicyMap, { search: text, onlyDenied }: View): Pick<PolicyMap, 'nodes' | 'edges'> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (texts: readonly string[]): boolean =>
    words.every((word) => texts.some((each) => each.toLowerCase().includes(word)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const textsOf = (id: string): string[] => {
    const node = byId.get(id);
    return node ? [`${node.namespace ?? ''}/${node.label}`, node.id] : [];
  };
  const found = edges.filter(
    (edge) =>
      (!onlyDenied || hasDenial(edge)) &&
      (words.length === 0 ||
        matches([...textsOf(edge.from), ...textsOf(edge.to), ...edge.ports.map(({ name }) => name)])),
  );
  if (words.length === 0) return { nodes, edges: found };
  const linked = new Set(found.flatMap(({ from, to }) => [from, to]));
  return { nodes: nodes.filter(({ id }) => linked.has(id) || matches(textsOf(id))), edges: found };
}

function hasDenial({ ports, change }: MapEdge): boolean {
  return (
    change !== undefined ||
    ports.some(({ verdict, seen }) => verdict === 'denied' || verdict === 'both' || seen.denied !== undefined)
  );
}

/** The largest namespaces, until what is left can be read. */
function findTooLarge(nodes: readonly MapNode[], { namespaces, collapsed }: View): string[] {
  const sizes = new Map<string, number>();
  for (const { namespace } of nodes) {
    if (namespace !== undefined && !collapsed.includes(namespace))
      sizes.set(namespace, (sizes.get(namespace) ?? 0) + 1);
  }
  let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const most = namespaces.length > 0 ? drawableNodes : readableNodes;
  const large: string[] = [];
  for (const [namespace, size] of [...sizes].sort(([, a], [, b]) => b - a)) {
    if (total <= most) break;
    large.push(namespace);
    total -= size - 1;
  }
  return large;
}

function joinEdges(edges: readonly MapEdge[], places: ReadonlyMap<string, string>): MapEdge[] {
  const groups = new Map<string, { from: string; to: string; edges: MapEdge[] }>();
  for (const edge of edges) {
    const [from, to] = [places.get(edge.from), places.get(edge.to)];
    if (from === undefined || to === undefined || (from === to && edge.from !== edge.to)) continue;
    // What a workload sends to itself within a collapsed namespace is within it, too.
    if (from === to && from !== edge.from) continue;
    const id = edgeId(from, to);
    const group = groups.get(id);
    if (group) group.edges.push(edge);
    else groups.set(id, { from, to, edges: [edge] });
  }
  return Array.from(groups, ([id, group]) => {
    const [only] = group.edges;
    if (group.edges.length === 1 && only!.id === id) return only!;
    return { id, from: group.from, to: group.to, ...joinPorts(mergePorts(group.edges.flatMap(({ ports }) => ports))) };
  });
}

function joinNodes(nodes: readonly MapNode[], places: ReadonlyMap<string, string>): MapNode[] {
  const groups = Map.groupBy(nodes, ({ id }) => places.get(id)!);
  return Array.from(groups, ([id, [first, ...others]]): MapNode => {
    if (first!.id === id) return first!;
    const all = [first!, ...others];
    const namespace = first!.namespace!;
    const label = namespace;
    const badged = all.filter(({ badges }) => badges.length > 0);
    const kinds = new Map(badged.flatMap(({ badges }) => badges.map((badge) => [badge.kind, badge] as const)));
    const badges = Array.from(kinds.values(), ({ kind }) => {
      const count = badged.filter((node) => node.badges.some((badge) => badge.kind === kind)).length;
      return {
        kind,
        text: `${count} of ${all.length} workloads: ${kind === 'no-match' ? 'rules that matched nothing' : kind.replaceAll('-', ' ')}.`,
      };
    });
    const pods = all.reduce((sum, node) => sum + node.pods, 0);
    return { id, kind: 'namespace', namespace, label, pods, badges };
  });
}
