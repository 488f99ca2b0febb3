/** A node to place. */
export interface Item {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** The box that it is in, if any. */
  readonly box?: string;
}

export interface Link {
  readonly from: string;
  readonly to: string;
}

export interface Point {
  x: number;
  y: number;
}

/** A box with its nodes, or a node without a box. */
interface Group {
  readonly items: readonly Item[];
  readonly columns: number;
  readonly cell: { readonly width: number; readonly height: number };
  readonly width: number;
  readonly height: number;
  /** Its centre. */
  readonly at: Point;
}

const gap = { x: 46, y: 42, group: 74, box: 22, title: 16 };
/** Screens are wider than high. */
const tall = 1.5;
const rounds = 4;

/**
 * Places nodes in the rows of their boxes, and each box beside those that it talks to most. The same map always looks the same. It is fast: a
 * fraction of a second for 600 nodes in 100 boxes.
 */
export function placeAll(items: readonly Item[], links: readonly Link[]): Map<string, Point> {
  const groups = makeGroups(items);
  const groupOf = new Map(groups.flatMap((group) => group.items.map(({ id }) => [id, group] as const)));
  placeGroups(groups, weighLinks(links, groupOf));
  const points = new Map<string, Point>();
  for (const group of groups) setCells(group, group.items, points);
  const neighbours = findNeighbours(links);
  for (let round = 0; round < rounds; round++) {
    for (const group of groups) setCells(group, sortByNeighbours(group, neighbours, points), points);
  }
  return points;
}

/** A rectangle around `at`. */
interface Area {
  readonly at: Point;
  readonly width: number;
  readonly height: number;
}

type Placed = Item & Area;

/** Steps between the places that a new node tries, and how many rings of them. */
const ring = { x: 90, y: 48, places: 6, rings: 20 };
const leastGap = 12;

/**
 * Places for nodes that come to a map. A node that was there before comes back to its place, if no other node is there now, whatever its box then covers. Any other one goes
 * beside the others of its box, or else beside the nodes that it talks to. For it, no box grows over nodes of others as long as there is room. No node gets a place on another one.
 * @param fresh those of `items` that come
 * @param known places of nodes by id, of which some may be missing
 */
export function placeNew(
  fresh: readonly Item[],
  items: readonly Item[],
  links: readonly Link[],
  known: ReadonlyMap<string, Point>,
): Map<string, Point> {
  const neighbours = findNeighbours(links);
  const coming = new Set(fresh.map(({ id }) => id));
  const placed = items.flatMap((item): Placed[] => {
    const at = coming.has(item.id) ? undefined : known.get(item.id);
    return at ? [{ ...item, at }] : [];
  });
  const points = new Map<string, Point>();
  const put = (item: Item, at: Point): void => {
    placed.push({ ...item, at });
    points.set(item.id, at);
  };
  for (const item of fresh) {
    const at = known.get(item.id);
    if (at && !placed.some((each) => isOn({ ...item, at }, each, 0))) put(item, at);
  }
  for (const item of fresh) if (!points.has(item.id)) put(item, findPlace(item, placed, neighbours.get(item.id) ?? []));
  return points;
}

interface Surroundings {
  /** In the same box. */
  readonly siblings: readonly Placed[];
  /** Around them. */
  readonly own: Area | undefined;
  /** Other boxes with their nodes, and nodes without a box. */
  readonly others: readonly Area[];
}

function surroundingsOf({ box }: Item, placed: readonly Placed[]): Surroundings {
  const byBox = Map.groupBy(placed, (each) => each.box);
  const siblings = box === undefined ? [] : (byBox.get(box) ?? []);
  const others = [...byBox].flatMap(([name, members]) => {
    if (name === undefined) return members;
    return name === box ? [] : areaAround(members, gap.box);
  });
  return { siblings, own: siblings.length > 0 ? areaAround(siblings) : undefined, others };
}

/** Whether the node and its box, with the node in it, are on nothing else. */
function isFree(item: Item, at: Point, { siblings, own, others }: Surroundings): boolean {
  const one = { ...item, at };
  if (siblings.some((each) => isOn(one, each))) return false;
  const area = item.box === undefined ? one : areaAround(own ? [own, one] : [one], gap.box);
  return !others.some((each) => isOn(area, each));
}

function findPlace(item: Item, placed: readonly Placed[], neighbours: readonly string[]): Point {
  const around = surroundingsOf(item, placed);
  const near = new Set(neighbours);
  const beside = [around.siblings, placed.filter(({ id }) => near.has(id)), placed].find(({ length }) => length > 0);
  if (!beside) return { x: 0, y: 0 };
  const { at: centre } = areaAround(beside);
  const places = Array.from({ length: ring.rings }, (_, round) => ringAround(centre, round)).flat();
  const taken = [...around.siblings, ...around.others];
  // Where the box has no room to grow, the node is at least on no other one.
  const free =
    places.find((at) => isFree(item, at, around)) ??
    places.find((at) => !taken.some((each) => isOn({ ...item, at }, each)));
  if (free) return free;
  const all = areaAround(placed);
  return { x: all.at.x + (all.width + item.width) / 2 + gap.group, y: centre.y };
}

/** Places in the `round`-th ring around a point. */
function ringAround({ x, y }: Point, round: number): Point[] {
  const count = Math.max(1, round * ring.places);
  return Array.from({ length: count }, (_, step) => {
    const angle = (step / count) * 2 * Math.PI;
    return { x: x + Math.cos(angle) * round * ring.x, y: y + Math.sin(angle) * round * ring.y };
  });
}

function areaAround(areas: readonly Area[], inset = 0): Area {
  const edges = areas.map(({ at, width, height }) => ({
    left: at.x - width / 2,
    right: at.x + width / 2,
    top: at.y - height / 2,
    bottom: at.y + height / 2,
  }));
  const [left, right] = [Math.min(...edges.map((each) => each.left)), Math.max(...edges.map((each) => each.right))];
  const [top, bottom] = [Math.min(...edges.map((each) => each.top)), Math.max(...edges.map((each) => each.bottom))];
  const at = { x: (left + right) / 2, y: (top + bottom) / 2 };
  return { at, width: right - left + 2 * inset, height: bottom - top + 2 * inset };
}

function isOn(one: Area, other: Area, least = leastGap): boolean {
  return (
    Math.abs(one.at.x - other.at.x) < (one.width + other.width) / 2 + least &&
    Math.abs(one.at.y - other.at.y) < (one.height + other.height) / 2 + least
  );
}

function makeGroups(items: readonly Item[]): Group[] {
  const byBox = Map.groupBy(items, ({ id, box }) => (box === undefined ? `item ${id}` : `box ${box}`));
  return Array.from(byBox.values(), (members): Group => {
    const inset = members[0]!.box === undefined ? 0 : gap.box;
    const columns = Math.ceil(Math.sqrt(members.length * 0.9));
    const rows = Math.ceil(members.length / columns);
    const cell = {
      width: Math.max(...members.map(({ width }) => width)) + gap.x,
      height: Math.max(...members.map(({ height }) => height)) + gap.y,
    };
    return {
      ...{ items: members, columns, cell },
      width: (columns + (rows > 1 ? 0.4 : 0)) * cell.width - gap.x + 2 * inset,
      height: rows * cell.height - gap.y + 2 * inset + (inset > 0 ? gap.title : 0),
      at: { x: 0, y: 0 },
    };
  });
}

type Weights = ReadonlyMap<Group, ReadonlyMap<Group, number>>;

function weighLinks(links: readonly Link[], groupOf: ReadonlyMap<string, Group>): Weights {
  const weights = new Map<Group, Map<Group, number>>();
  const add = (from: Group, to: Group): void => {
    const row = weights.get(from) ?? new Map<Group, number>();
    row.set(to, (row.get(to) ?? 0) + 1);
    weights.set(from, row);
  };
  for (const { from, to } of links) {
    const [one, two] = [groupOf.get(from), groupOf.get(to)];
    if (!one || !two || one === two) continue;
    add(one, two);
    add(two, one);
  }
  return weights;
}

/** Each group, the best connected first, at the free place that is nearest to the groups that it is linked with. */
function placeGroups(groups: readonly Group[], weights: Weights): void {
  const placed: Group[] = [];
  const left = new Set(groups);
  const pull = new Map<Group, number>();
  const total = (group: Group): number =>
    [...(weights.get(group)?.values() ?? [])].reduce((sum, each) => sum + each, 0);
  const totals = new Map(groups.map((group) => [group, total(group)]));
  while (left.size > 0) {
    let next: Group | undefined;
    let best = -1;
    for (const group of left) {
      const score = (pull.get(group) ?? 0) * 1000 + totals.get(group)! + group.items.length / 1000;
      if (score > best) [next, best] = [group, score];
    }
    left.delete(next!);
    putBeside(next!, placed, weights.get(next!) ?? new Map());
    placed.push(next!);
    for (const [other, weight] of weights.get(next!) ?? []) pull.set(other, (pull.get(other) ?? 0) + weight);
  }
}

function putBeside(group: Group, placed: readonly Group[], weights: ReadonlyMap<Group, number>): void {
  if (placed.length === 0) return;
  const linked = placed.filter((each) => weights.has(each));
  let best = Infinity;
  let chosen: Point = { x: 0, y: 0 };
  for (const point of placesAround(group, placed)) {
    let cost = (Math.abs(point.x) + Math.abs(point.y) * tall) / 8;
    for (const other of linked) cost += distance(point, other.at) * Math.min(4, weights.get(other)!);
    if (cost >= best || placed.some((other) => overlaps(group, point, other))) continue;
    [best, chosen] = [cost, point];
  }
  Object.assign(group.at, chosen);
}

function* placesAround(group: Group, placed: readonly Group[]): Generator<Point> {
  for (const { at, width, height } of placed) {
    const [dx, dy] = [(width + group.width) / 2 + gap.group, (height + group.height) / 2 + gap.group];
    const [sx, sy] = [Math.abs(width - group.width) / 2, Math.abs(height - group.height) / 2];
    for (const side of [-1, 1]) {
      for (const shift of [0, -1, 1]) {
        yield { x: at.x + side * dx, y: at.y + shift * sy };
        yield { x: at.x + shift * sx, y: at.y + side * dy };
      }
    }
  }
}

function overlaps(group: Group, point: Point, other: Group): boolean {
  const margin = gap.group - 1;
  return (
    Math.abs(point.x - other.at.x) < (group.width + other.width) / 2 + margin &&
    Math.abs(point.y - other.at.y) < (group.height + other.height) / 2 + margin
  );
}

function distance(one: Point, two: Point): number {
  return Math.hypot(one.x - two.x, (one.y - two.y) * tall);
}

function findNeighbours(links: readonly Link[]): Map<string, string[]> {
  const neighbours = new Map<string, string[]>();
  for (const { from, to } of links) {
    if (from === to) continue;
    neighbours.set(from, [...(neighbours.get(from) ?? []), to]);
    neighbours.set(to, [...(neighbours.get(to) ?? []), from]);
  }
  return neighbours;
}

/** Rows from top to bottom, and nodes in a row from left to right, as those lie that they talk to. */
function sortByNeighbours(
  { items, columns }: Group,
  neighbours: ReadonlyMap<string, readonly string[]>,
  points: ReadonlyMap<string, Point>,
): Item[] {
  const wanted = new Map(
    items.map(({ id }) => {
      const near = (neighbours.get(id) ?? []).flatMap((each) => points.get(each) ?? []);
      const mean = (of: (point: Point) => number): number =>
        near.reduce((sum, each) => sum + of(each), 0) / near.length;
      return [id, near.length === 0 ? points.get(id)! : { x: mean(({ x }) => x), y: mean(({ y }) => y) }] as const;
    }),
  );
  const byHeight = items.toSorted((a, b) => wanted.get(a.id)!.y - wanted.get(b.id)!.y);
  const sorted: Item[] = [];
  for (let start = 0; start < byHeight.length; start += columns) {
    const row = byHeight.slice(start, start + columns);
    sorted.push(...row.sort((a, b) => wanted.get(a.id)!.x - wanted.get(b.id)!.x));
  }
  return sorted;
}

function setCells({ at, columns, cell }: Group, items: readonly Item[], points: Map<string, Point>): void {
  const rows = Math.ceil(items.length / columns);
  for (const [index, { id }] of items.entries()) {
    const [row, column] = [Math.floor(index / columns), index % columns];
    // The last row is centred.
    const inRow = row === rows - 1 ? items.length - row * columns : columns;
    // Rows are shifted, so that an edge to the row after the next does not run through a node.
    const shift = rows > 1 ? (row % 2 === 0 ? -0.2 : 0.2) : 0;
    points.set(id, {
      x: at.x + (column - (inRow - 1) / 2 + shift) * cell.width,
      y: at.y + (row - (rows - 1) / 2) * cell.height,
    });
  }
}
