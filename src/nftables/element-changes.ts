import type { Element } from './ruleset.ts';

export type Elements = ReadonlySet<Element>;

/** What has come and what has gone between two sets. */
export interface ElementChange {
  readonly added: readonly Element[];
  readonly removed: readonly Element[];
}

/** How sets came from others, by the sets that came of it: whoever has both need not compare them. */
export class ElementChanges {
  readonly #changes = new Map<Elements, ElementChange & { readonly from: Elements }>();
  /** Elements of sets that were compared all the same: what tests count instead of time. */
  compared = 0;

  /**
   * A changed copy; the very set if nothing changes.
   * @param added none of which it has
   * @param removed all of which it has
   */
  apply(from: Elements, { added, removed }: ElementChange): Elements {
    if (added.length === 0 && removed.length === 0) return from;
    const copy = new Set(from);
    for (const element of removed) copy.delete(element);
    for (const element of added) copy.add(element);
    this.#changes.set(copy, { from, added, removed });
    return copy;
  }

  /** Compares what did not come from one another here. */
  between(before: Elements, after: Elements): ElementChange {
    const change = this.#changes.get(after);
    if (change?.from === before) return change;
    if (this.#compare(before, after)) return { added: [], removed: [] };
    return { added: [...after.difference(before)], removed: [...before.difference(after)] };
  }

  areSame(before: Elements, after: Elements): boolean {
    return this.#changes.get(after)?.from !== before && this.#compare(before, after);
  }

  #compare(a: Elements, b: Elements): boolean {
    if (a === b) return true;
    this.compared += a.size;
    return a.size === b.size && a.isSubsetOf(b);
  }
}
