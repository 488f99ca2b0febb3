import type { Element } from './ruleset.ts';

export type Elements = ReadonlySet<Element>;

/** The difference between two sets of elements. */
export interface ElementChange {
  readonly added: readonly Element[];
  readonly removed: readonly Element[];
}

/** Remembers how sets were derived from others, so that callers need not compare both. */
export class ElementChanges {
  readonly #changes = new Map<Elements, ElementChange & { readonly from: Elements }>();
  /** Number of elements compared in spite of this. Tests count it instead of time. */
  compared = 0;

  /**
   * Returns a changed copy, or `from` itself if nothing changes.
   * @param added elements that `from` does not have
   * @param removed elements that `from` has
   */
  apply(from: Elements, { added, removed }: ElementChange): Elements {
    if (added.length === 0 && removed.length === 0) return from;
    const copy = new Set(from);
    for (const element of removed) copy.delete(element);
    for (const element of added) copy.add(element);
    this.#changes.set(copy, { from, added, removed });
    return copy;
  }

  /** The difference. Compares the sets only if `after` was not derived from `before` by `apply`. */
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
