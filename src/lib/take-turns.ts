/** So many at most, one of each group after the other, so that no group keeps another out; each group in its order. */
export function takeTurns<T>(items: Iterable<T>, groupOf: (item: T) => string, most: number): T[] {
  const chosen: T[] = [];
  let waiting = [...Map.groupBy(items, groupOf).values()];
  for (let turn = 0; waiting.length > 0; turn++) {
    for (const group of waiting) {
      if (chosen.length === most) return chosen;
      chosen.push(group[turn]!);
    }
    waiting = waiting.filter((group) => group.length > turn + 1);
  }
  return chosen;
}
