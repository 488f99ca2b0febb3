import cytoscape, {
  type Core,
  type ElementDefinition,
  type EventObject,
  type NodeSingular,
  type Position,
} from 'cytoscape';
import fcose from 'cytoscape-fcose';
import { isSameList } from '../../lib/is-same-list.ts';
import type { SeenMap } from '../../map/see-map.ts';
import { readColors } from './colors.ts';
import { elementId, elementsOf, type Element } from './elements.ts';
import { font, mapStyle } from './map-style.ts';
import { placeAll, placeNew, type Item, type Link } from './place.ts';

cytoscape.use(fcose);

const leastZoom = 0.08;
const mostFitted = 1.25;
/** Around the map, for the boxes and the buttons. */
const margin = { x: 110, y: 92 };

/** With more nodes, their first places are good enough: the layout would take longer than a second. */
const mostRefined = 80;

/** Begins at the places that nodes have, so that the same map looks the same. */
const refinement = {
  name: 'fcose',
  ...{ quality: 'default', randomize: false, animate: false, fit: false, packComponents: false },
  ...{ nodeRepulsion: 9000, idealEdgeLength: 125, gravity: 0.3, gravityRangeCompound: 1.2 },
  ...{ tilingPaddingVertical: 14, tilingPaddingHorizontal: 14 },
};

/** Where nodes are, also when they are not drawn, and on each tab that has a map. */
const places = new Map<string, Position>();

/** The map on its canvas. Nodes stay where they are as long as they are drawn, and come back to where they were. */
export class MapCanvas {
  readonly #graph: Core;
  readonly #known = places;
  readonly #measure: (text: string) => number;
  #items: readonly Item[] = [];
  #links: readonly Link[] = [];
  /** By id, as they were drawn last. */
  #drawn: ReadonlyMap<string, Element> = new Map();
  #selected: string | undefined;
  /** Nobody has moved the map since it was fitted. */
  #isFitted = true;

  /** @param onSelect with the id of a node or an edge; nothing for a click beside them */
  constructor(container: HTMLElement, onSelect: (id: string | undefined) => void) {
    const context = document.createElement('canvas').getContext('2d')!;
    context.font = `12px ${font}`;
    this.#measure = (text) => context.measureText(text).width;
    this.#graph = cytoscape({
      container,
      style: mapStyle(readColors()),
      ...{ minZoom: leastZoom, maxZoom: 2.5, autounselectify: true, boxSelectionEnabled: false },
    });
    this.#graph.on('tap', ({ target }: EventObject) => {
      if (target === this.#graph) onSelect(undefined);
      else if (!target.hasClass('box')) onSelect(target.data('at') as string);
    });
    this.#graph.on('mouseover', 'node, edge', ({ target }: EventObject) => target.addClass('hovered'));
    this.#graph.on('mouseout', 'node, edge', ({ target }: EventObject) => target.removeClass('hovered'));
    this.#graph.on('dragpan scrollzoom pinchzoom', () => (this.#isFitted = false));
    this.#graph.on('free', 'node', ({ target }: EventObject) => this.#remember(target as NodeSingular));
  }

  draw(seen: SeenMap, isChange: boolean): void {
    const graph = this.#graph;
    // `bench/page` waits for this mark.
    graph.one('render', () => performance.mark('map drawn'));
    const elements = elementsOf(seen, this.#measure, isChange);
    this.#items = elements.nodes.map(itemOf);
    this.#links = elements.edges.map(({ data }) => ({ from: String(data['source']), to: String(data['target']) }));
    const all = [...elements.boxes, ...elements.nodes, ...elements.edges];
    const isFresh = ({ id }: Pick<Element, 'id'>): boolean => !this.#drawn.has(id);
    const isWhole = elements.nodes.every(isFresh);
    const unplaced = this.#items.filter(({ id }) => !this.#known.has(id));
    // Few nodes that come to a map leave the others where they are.
    const isPlacedAnew = unplaced.length > elements.nodes.length / 2 && (isWhole || unplaced.length > mostRefined);
    if (isPlacedAnew) this.#place();
    // Before they are drawn: cytoscape cannot draw an edge between two nodes that lie on each other.
    else {
      const fresh = this.#items.filter(isFresh);
      for (const [id, at] of placeNew(fresh, this.#items, this.#links, this.#known)) this.#known.set(id, at);
    }
    graph.batch(() => {
      this.#removeOthers(all);
      // All at once: cytoscape is slow with many additions.
      graph.add(all.filter(isFresh).map((each) => this.#definitionOf(each)));
      for (const each of all) this.#change(each);
    });
    this.#drawn = new Map(all.map((each) => [each.id, each]));
    if (isPlacedAnew) this.#moveAndRefine();
    if ((isWhole || isPlacedAnew) && elements.nodes.length > 0) this.fit();
    this.select(this.#selected);
  }

  /** Places all nodes anew. */
  arrange(): void {
    if (this.#items.length === 0) return;
    this.#place();
    this.#moveAndRefine();
    this.fit();
  }

  /** Moves all nodes to their places. */
  #moveAndRefine(): void {
    const graph = this.#graph;
    graph.batch(() => this.#items.forEach(({ id }) => graph.getElementById(id).position(this.#known.get(id)!)));
    this.#refine();
  }

  #place(): void {
    for (const [id, point] of placeAll(this.#items, this.#links)) this.#known.set(id, point);
  }

  #refine(): void {
    const graph = this.#graph;
    if (this.#items.length > mostRefined) return;
    graph.layout(refinement).run();
    for (const { id } of this.#items) this.#remember(graph.getElementById(id));
  }

  /** Shows the whole map. Cytoscape's own way measures each label, which takes long. */
  fit(): void {
    const graph = this.#graph;
    const points = this.#items.flatMap(({ id }) => this.#known.get(id) ?? []);
    if (points.length === 0 || graph.width() === 0) return;
    const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [width, height] = [graph.width(), graph.height()];
    const [wide, high] = [right - left + 2 * margin.x, bottom - top + 2 * margin.y];
    const zoom = Math.min(mostFitted, Math.max(leastZoom, Math.min(width / wide, height / high)));
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    this.#isFitted = true;
    graph.viewport({ zoom, pan: { x: width / 2 - x * zoom, y: height / 2 - y * zoom } });
  }

  zoom(factor: number): void {
    this.#isFitted = false;
    const { width, height } = { width: this.#graph.width(), height: this.#graph.height() };
    this.#graph.zoom({ level: this.#graph.zoom() * factor, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  /** Marks a node or an edge, with what is beside it. */
  select(id: string | undefined): void {
    const graph = this.#graph;
    if (id === undefined && this.#selected === undefined) return;
    this.#selected = id;
    graph.batch(() => {
      graph.elements().removeClass('chosen near dim');
      if (id === undefined) return;
      const node = graph.getElementById(elementId.node(id));
      const chosen = node.nonempty() ? node : graph.getElementById(elementId.edge(id));
      if (chosen.empty()) return;
      const near = chosen.union(node.nonempty() ? node.closedNeighborhood() : chosen.connectedNodes());
      graph.edges().not(near).addClass('dim');
      near.nodes().addClass('near');
      chosen.addClass('chosen');
    });
  }

  /** Moves a node or an edge into sight, if it is not. */
  show(id: string): void {
    const graph = this.#graph;
    const node = graph.getElementById(elementId.node(id));
    const target = node.nonempty() ? node : graph.getElementById(elementId.edge(id));
    if (target.empty()) return;
    const [box, extent] = [target.boundingBox(), graph.extent()];
    const isInside = box.x1 >= extent.x1 && box.x2 <= extent.x2 && box.y1 >= extent.y1 && box.y2 <= extent.y2;
    if (isInside) return;
    this.#isFitted = false;
    graph.center(target);
  }

  /** After a change of light and dark. */
  paint(): void {
    this.#graph.style(mapStyle(readColors()));
  }

  resize(): void {
    this.#graph.resize();
    if (this.#isFitted) this.fit();
  }

  destroy(): void {
    this.#graph.destroy();
  }

  #remember(node: NodeSingular): void {
    if (node.isParent()) node.descendants().forEach((each) => this.#remember(each));
    else this.#known.set(node.id(), { ...node.position() });
  }

  /** A box that goes has no node that stays: a node never changes its box. */
  #removeOthers(elements: readonly Element[]): void {
    const wanted = new Set(elements.map(({ id }) => id));
    for (const id of this.#drawn.keys()) if (!wanted.has(id)) this.#graph.getElementById(id).remove();
  }

  #change({ id, data, classes }: Element): void {
    const drawn = this.#drawn.get(id);
    if (!drawn) return;
    const isSameData = Object.entries(data).every(([key, value]) => drawn.data[key] === value);
    const isSameLook = isSameList(drawn.classes, classes);
    if (isSameData && isSameLook) return;
    const element = this.#graph.getElementById(id);
    if (!isSameData) element.data(data);
    if (isSameLook) return;
    element.removeClass([...drawn.classes]).addClass([...classes]);
  }

  #definitionOf({ id, data, classes }: Element): ElementDefinition {
    const position = this.#known.get(id);
    const group = 'source' in data ? 'edges' : 'nodes';
    return { group, data: { id, ...data }, classes: [...classes], ...(position && { position: { ...position } }) };
  }
}

function itemOf({ id, data: { width, height, parent } }: Element): Item {
  return { id, width: Number(width), height: Number(height), ...(parent !== undefined && { box: String(parent) }) };
}
