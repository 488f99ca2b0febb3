/**
 * Of each group some, one after the other, so that no group keeps another out: so many in all at most. Groups of which none is taken are left out.
 * @param first which group begins, where there are more groups than may be taken
 */
export function takeTurns<T>(groups: readonly (readonly T[])[], most: number, first = 0): T[][] {
  const start = groups.length === 0 ? 0 : first % groups.length;
  const inTurn = [...groups.slice(start), ...groups.slice(0, start)].map((group) => ({ group, taken: [] as T[] }));
  let left = most;
  for (let turn = 0, waiting = inTurn; left > 0 && waiting.length > 0; turn++) {
    waiting = waiting.filter(({ group }) => group.length > turn);
    for (const { group, taken } of waiting.slice(0, left)) taken.push(group[turn]!);
    left -= Math.min(left, waiting.length);
  }
  return inTurn.map(({ taken }) => taken).filter(({ length }) => length > 0);
}
