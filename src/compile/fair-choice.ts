import { compareText } from '../lib/sort.ts';

/**
 * Chooses at most `most` of the values that namespaces have. If there are more, namespaces take turns, and each gives first the value that it has most often: one
 * namespace cannot displace what others have.
 * @param counts by namespace, how often it has each value
 * @param compare decides between values that a namespace has equally often
 */
export function chooseFairly<T>(
  counts: ReadonlyMap<string, ReadonlyMap<T, number>>,
  most: number,
  compare: (a: T, b: T) => number,
): { readonly chosen: ReadonlySet<T>; readonly areMore: boolean } {
  const byNamespace = [...counts]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, own]) => [...own].sort(([a, many], [b, more]) => more - many || compare(a, b)).map(([value]) => value));
  const chosen = new Set<T>();
  const longest = byNamespace.reduce((length, values) => Math.max(length, values.length), 0);
  for (let turn = 0; turn < longest && chosen.size < most; turn++) {
    for (const values of byNamespace) {
      if (turn < values.length && chosen.size < most) chosen.add(values[turn]!);
    }
  }
  return { chosen, areMore: byNamespace.some((values) => values.some((value) => !chosen.has(value))) };
}
