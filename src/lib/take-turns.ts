/**
 * Takes items round-robin from the groups, at most `most` in all, so that a large group cannot crowd out a small one. Returns the taken items by
 * group, without groups that had no turn.
 * @param first index of the group that begins; matters if there are more groups than `most`
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
