import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';

/**
 * Checks that a page of the docs contains exactly this table. The title of the first column must be unique on the page. With
 * UPDATE_DOCS=1 in the environment it writes the table instead.
 */
export async function expectDocTable(
  page: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const file = new URL(`../../${page}`, import.meta.url);
  const text = await readFile(file, 'utf8');
  const lines = text.split('\n');
  const starts = lines.flatMap((line, index) =>
    isHead(lines, index) && readCells(line)[0] === header[0] ? [index] : [],
  );
  assert.equal(starts.length, 1, `${page} has ${starts.length} tables of ${header[0]}`);
  const start = starts[0]!;
  const end = start + lines.slice(start).findIndex((line) => !line.startsWith('|'));
  if (process.env['UPDATE_DOCS'] === '1') {
    const table = [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
    await writeFile(file, lines.toSpliced(start, end - start, ...table).join('\n'));
  } else {
    const written = lines.slice(start, end).map(readCells);
    const [head, , ...body] = written;
    assert.deepEqual([head, ...body], [header, ...rows], `${page} differs from the code: run with UPDATE_DOCS=1`);
  }
}

function isHead(lines: readonly string[], index: number): boolean {
  return lines[index]!.startsWith('|') && !lines[index - 1]?.startsWith('|');
}

/** Ignores spaces around cells, because the formatter aligns columns. */
export function readCells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
