import cytoscape, { type Core, type EventObject, type NodeSingular, type Position } from 'cytoscape';
import fcose from 'cytoscape-fcose';
import type { SeenMap } from '../../map/see-map.ts';
import { readColors } from './colors.ts';
import { elementId, elementsOf, type Element, type Elements } from './elements.ts';
import { font, mapStyle } from './map-style.ts';
import { placeAll } from './place.ts';

cytoscape.use(fcose);

/** With more nodes, their first places are good enough: the layout would take longer than a second. */
const mostRefined = 80;

/** Begins at the places that nodes have, so that the same map looks the same. */
const refinement = {
  name: 'fcose',
  ...{ quality: 'default', randomize: false, animate: false, fit: false, packComponents: false },
  ...{ nodeRepulsion: 9000, idealEdgeLength: 125, gravity: 0.3, gravityRangeCompound: 1.2 },
  ...{ tilingPaddingVertical: 14, tilingPaddingHorizontal: 14 },
};

/** The map on its canvas. Nodes stay where they are as long as they are drawn, and come back to where they were. */
export class MapCanvas {
  readonly #graph: Core;
  readonly #known = new Map<string, Position>();
  readonly #measure: (text: string) => number;
  #selected: string | undefined;

  /** @param onSelect with the id of a node or an edge; nothing for a click beside them */
  constructor(container: HTMLElement, onSelect: (id: string | undefined) => void) {
    const context = document.createElement('canvas').getContext('2d')!;
    context.font = `12px ${font}`;
    this.#measure = (text) => context.measureText(text).width;
    this.#graph = cytoscape({
      container,
      style: mapStyle(readColors()),
      ...{ minZoom: 0.08, maxZoom: 2.5, autounselectify: true, boxSelectionEnabled: false },
    });
    this.#graph.on('tap', ({ target }: EventObject) => {
      if (target === this.#graph) onSelect(undefined);
      else if (!target.hasClass('box')) onSelect(target.data('at') as string);
    });
    this.#graph.on('mouseover', 'node, edge', ({ target }: EventObject) => target.addClass('hovered'));
    this.#graph.on('mouseout', 'node, edge', ({ target }: EventObject) => target.removeClass('hovered'));
    this.#graph.on('free', 'node', ({ target }: EventObject) => this.#remember(target as NodeSingular));
  }

  draw(seen: SeenMap, isChange: boolean): void {
    const graph = this.#graph;
    const elements = elementsOf(seen, this.#measure, isChange);
    const before = graph.nodes().not('.box').length;
    const fresh: string[] = [];
    graph.batch(() => {
      this.#removeOthers(elements);
      for (const each of elements.boxes) this.#put(each, 'nodes');
      for (const each of elements.nodes) if (this.#put(each, 'nodes')) fresh.push(each.id);
      for (const each of elements.edges) this.#put(each, 'edges');
      graph
        .nodes('.box')
        .filter((box) => box.isChildless())
        .remove();
    });
    if (fresh.length === 0) return this.select(this.#selected);
    const unplaced = fresh.filter((id) => !this.#known.has(id));
    if (fresh.length === elements.nodes.length && unplaced.length > 0) this.arrange();
    else {
      for (const id of unplaced) this.#placeNear(graph.getElementById(id));
      if (before === 0) this.fit();
    }
    this.select(this.#selected);
  }

  /** Places all nodes anew. */
  arrange(): void {
    const graph = this.#graph;
    const nodes = graph.nodes().not('.box');
    if (nodes.empty()) return;
    const items = nodes.map((each) => {
      const node = each as NodeSingular;
      const parent = node.data('parent') as string | undefined;
      return {
        id: node.id(),
        width: node.width(),
        height: node.height(),
        ...(parent !== undefined && { box: parent }),
      };
    });
    const links = graph.edges().map((edge) => ({ from: edge.source().id(), to: edge.target().id() }));
    const points = placeAll(items, links);
    for (const { id } of items) graph.getElementById(id).position(points.get(id)!);
    if (nodes.length <= mostRefined) graph.layout(refinement).run();
    for (const node of nodes) this.#remember(node);
    this.fit();
  }

  fit(): void {
    this.#graph.fit(undefined, 36);
  }

  zoom(factor: number): void {
    const { width, height } = { width: this.#graph.width(), height: this.#graph.height() };
    this.#graph.zoom({ level: this.#graph.zoom() * factor, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  /** Marks a node or an edge, with what is beside it. */
  select(id: string | undefined): void {
    this.#selected = id;
    const graph = this.#graph;
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
    if (!isInside) graph.center(target);
  }

  /** After a change of light and dark. */
  paint(): void {
    this.#graph.style(mapStyle(readColors()));
  }

  resize(): void {
    this.#graph.resize();
  }

  destroy(): void {
    this.#graph.destroy();
  }

  #remember(node: NodeSingular): void {
    if (node.isParent()) node.descendants().forEach((each) => this.#remember(each));
    else this.#known.set(node.id(), { ...node.position() });
  }

  #removeOthers({ boxes, nodes, edges }: Elements): void {
    const wanted = new Set([...boxes, ...nodes, ...edges].map(({ id }) => id));
    const gone = this.#graph.elements().filter((each) => !wanted.has(each.id()));
    // A box takes its nodes along, and they may be wanted elsewhere.
    gone
      .filter('.box')
      .children()
      .filter((each) => wanted.has(each.id()))
      .move({ parent: null });
    gone.remove();
  }

  /** Adds or changes an element. Returns whether it is new. */
  #put({ id, data, classes }: Element, group: 'nodes' | 'edges'): boolean {
    const known = this.#graph.getElementById(id);
    if (known.empty()) {
      const position = this.#known.get(id);
      this.#graph.add({
        group,
        data: { id, ...data },
        classes: [...classes],
        ...(position && { position: { ...position } }),
      });
      return true;
    }
    known.data(data);
    const marks = ['chosen', 'near', 'dim', 'hovered'].filter((mark) => known.hasClass(mark));
    known.classes([...classes, ...marks]);
    return false;
  }

  /** Beside the nodes that it talks to, where no other node is. */
  #placeNear(node: NodeSingular): void {
    const siblings = node.siblings().filter((each) => this.#known.has(each.id()));
    const around = siblings.nonempty()
      ? siblings
      : node.neighborhood('node').filter((each) => this.#known.has(each.id()));
    const all = this.#graph
      .nodes()
      .not('.box')
      .filter((each) => this.#known.has(each.id()));
    const from = (around.nonempty() ? around : all).boundingBox();
    const centre = { x: (from.x1 + from.x2) / 2 || 0, y: (from.y1 + from.y2) / 2 || 0 };
    for (let ring = 0; ; ring++) {
      for (let step = 0; step < Math.max(1, ring * 6); step++) {
        const angle = (step / Math.max(1, ring * 6)) * 2 * Math.PI;
        const position = { x: centre.x + Math.cos(angle) * ring * 90, y: centre.y + Math.sin(angle) * ring * 48 };
        node.position(position);
        const box = node.boundingBox();
        const isFree = all.every((each) => {
          const other = each.boundingBox();
          return other.x1 > box.x2 || other.x2 < box.x1 || other.y1 > box.y2 || other.y2 < box.y1;
        });
        if (!isFree) continue;
        this.#remember(node);
        return;
      }
    }
  }
}
