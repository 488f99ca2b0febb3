const comparisons = ['difference', 'symmetricDifference', 'isSubsetOf', 'isSupersetOf'] as const;

/** How many elements sets had that were compared with others in full: what tests count instead of time. */
export function countComparisons<T>(run: () => T): { readonly result: T; readonly compared: number } {
  let compared = 0;
  const originals = comparisons.map((name) => [name, Object.getOwnPropertyDescriptor(Set.prototype, name)!] as const);
  for (const [name, original] of originals) {
    const call = original.value as (this: Set<unknown>, other: unknown) => unknown;
    Object.defineProperty(Set.prototype, name, {
      ...original,
      value(this: Set<unknown>, other: unknown) {
        compared += this.size;
        return call.call(this, other);
      },
    });
  }
  try {
    return { result: run(), compared };
  } finally {
    for (const [name, original] of originals) Object.defineProperty(Set.prototype, name, original);
  }
}
