import { invariant } from '../lib/assert.ts';
import type { Interval } from './component.ts';
import { readElement, recallComponent } from './component.ts';
import type { Element, NftSet, VerdictMap } from './ruleset.ts';

/** The element of a set or map that contains the key of a packet (single values, canonical text). */
export function findElement(object: NftSet | VerdictMap, key: readonly string[]): Element | undefined {
  if (!object.interval) {
    const element = key.join(' . ');
    return object.elements.has(element) ? element : undefined;
  }
  const point = key.map((text, i) => recallComponent(object.key[i]!, text));
  return point.every((each) => each !== undefined) ? search(indexOf(object), point, () => true) : undefined;
}

/** Another element of an interval set or map that overlaps `element`. */
export function findOverlap(object: NftSet | VerdictMap, element: Element): Element | undefined {
  return search(indexOf(object), readElement(object.key, element)!, (other) => other !== element);
}

/** Sets are immutable, so an index stays valid as long as its set exists. */
const indexes = new WeakMap<NftSet | VerdictMap, readonly Branch[]>();

function indexOf(object: NftSet | VerdictMap): readonly Branch[] {
  let index = indexes.get(object);
  if (!index) indexes.set(object, (index = buildIndex(object)));
  return index;
}

/** All elements with the same interval as first component. */
interface Branch extends Interval {
  readonly leaves: { readonly rest: readonly Interval[]; readonly element: Element }[];
  /** The greatest `last` in the subtree of this branch. */
  reach: bigint;
}

/** A balanced interval tree in an array: ascending by `first`; the middle of each slice is the root of its subtree. */
function buildIndex(object: NftSet | VerdictMap): readonly Branch[] {
  const branches = new Map<string, Branch>();
  for (const element of object.elements.keys()) {
    const intervals = readElement(object.key, element);
    invariant(intervals, `element ${element} does not fit ${object.name}`);
    const [{ first, last }, ...rest] = intervals as [Interval, ...Interval[]];
    const id = `${first}-${last}`;
    let branch = branches.get(id);
    if (!branch) branches.set(id, (branch = { first, last, leaves: [], reach: last }));
    branch.leaves.push({ rest, element });
  }
  const index = [...branches.values()].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  setReach(index, 0, index.length);
  return index;
}

function setReach(index: readonly Branch[], start: number, end: number): bigint {
  if (start === end) return -1n;
  const middle = (start + end) >> 1;
  const branch = index[middle]!;
  for (const reach of [setReach(index, start, middle), setReach(index, middle + 1, end)]) {
    if (reach > branch.reach) branch.reach = reach;
  }
  return branch.reach;
}

type Accept = (element: Element) => boolean;

function search(
  index: readonly Branch[],
  area: readonly Interval[],
  accept: Accept,
  start = 0,
  end = index.length,
): Element | undefined {
  if (start === end) return undefined;
  const middle = (start + end) >> 1;
  const root = index[middle]!;
  const [first] = area as [Interval];
  if (first.first > root.reach) return undefined;
  const before = search(index, area, accept, start, middle);
  if (before !== undefined || first.last < root.first) return before;
  if (meets(root, first)) {
    const leaf = root.leaves.find(
      ({ rest, element }) => rest.every((interval, i) => meets(interval, area[i + 1]!)) && accept(element),
    );
    if (leaf) return leaf.element;
  }
  return search(index, area, accept, middle + 1, end);
}

function meets(a: Interval, b: Interval): boolean {
  return a.first <= b.last && b.first <= a.last;
}
