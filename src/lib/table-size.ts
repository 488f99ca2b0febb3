/** Number of entries in a table of tables, outer and inner ones. */
export function sizeOfAll(tables: Iterable<{ readonly size: number }>): number {
  let size = 0;
  for (const table of tables) size += 1 + table.size;
  return size;
}
