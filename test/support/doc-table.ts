import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';

/**
 * Checks that a page of the docs holds exactly this table, as its only one. With UPDATE_DOCS=1 in the environment it is written
 * instead.
 */
export async function expectDocTable(
  page: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const file = new URL(`../../${page}`, import.meta.url);
  const text = await readFile(file, 'utf8');
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const end = lines.findLastIndex((line) => line.startsWith('|')) + 1;
  assert.notEqual(start, -1, `${page} has no table`);
  if (process.env['UPDATE_DOCS'] === '1') {
    const table = [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
    await writeFile(file, lines.toSpliced(start, end - start, ...table).join('\n'));
  } else {
    const written = lines.slice(start, end).map(readCells);
    const [head, , ...body] = written;
    assert.deepEqual([head, ...body], [header, ...rows], `${page} is not what the code says: run with UPDATE_DOCS=1`);
  }
}

/** The formatter aligns columns, so spaces around cells say nothing. */
function readCells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
