import { Version } from '../lib/version.ts';
import type { Element, Elements } from './ruleset.ts';

/** The difference between two sets of elements. */
export interface ElementChange {
  readonly added: readonly Element[];
  readonly removed: readonly Element[];
}

/** A set of elements. A changed version costs as much as the elements that it changes. The versions know their difference, so the plan does not compare them. */
export class ElementSet extends Version<Element, true, Set<Element>> implements Elements {
  readonly size: number;

  /** @param elements belongs to this object from now on */
  constructor(elements: Set<Element>) {
    super(elements);
    this.size = elements.size;
  }

  /** Returns the elements after the change, or this object if nothing changes. */
  with({ added, removed }: ElementChange): ElementSet {
    return this.change([
      ...removed.map((element) => [element, undefined] as const),
      ...added.map((element) => [element, true] as const),
    ]);
  }

  /** The difference; `undefined` if the other is no later version of these elements. */
  changeTo(later: Elements): ElementChange | undefined {
    const touched = this.touchedUntil(later);
    if (!touched) return undefined;
    const [added, removed]: [Element[], Element[]] = [[], []];
    for (const element of touched) {
      const isThere = later.has(element);
      if (isThere !== this.has(element)) (isThere ? added : removed).push(element);
    }
    return { added, removed };
  }

  has(element: Element): boolean {
    return this.valueOf(element) === true;
  }

  keys(): SetIterator<Element> {
    return this.content.keys();
  }

  [Symbol.iterator](): SetIterator<Element> {
    return this.content.keys();
  }

  protected override make(store: Set<Element>): this {
    return new ElementSet(store) as this;
  }

  protected override copyOf(store: Set<Element>): Set<Element> {
    return new Set(store);
  }

  protected override read(store: Set<Element>, element: Element): true | undefined {
    return store.has(element) || undefined;
  }

  protected override write(store: Set<Element>, element: Element, value: true | undefined): void {
    if (value) store.add(element);
    else store.delete(element);
  }
}

/** Returns the elements after the change, or the same object if nothing changes. */
export function withChange(elements: Elements, change: ElementChange): Elements {
  if (isEmptyChange(change)) return elements;
  return (elements instanceof ElementSet ? elements : new ElementSet(new Set(elements))).with(change);
}

/** The difference. Compares the elements only if it is not known. */
export function changeBetween(before: Elements, after: Elements): ElementChange {
  const known = before instanceof ElementSet ? before.changeTo(after) : undefined;
  return known ?? compare(before, after);
}

export function isEmptyChange({ added, removed }: ElementChange): boolean {
  return added.length + removed.length === 0;
}

function compare(before: Elements, after: Elements): ElementChange {
  if (before === after) return { added: [], removed: [] };
  const missingIn = (others: Elements, elements: Elements): Element[] =>
    [...elements].filter((element) => !others.has(element));
  const added = missingIn(before, after);
  const isAnyGone = before.size + added.length > after.size;
  return { added, removed: isAnyGone ? missingIn(after, before) : [] };
}
