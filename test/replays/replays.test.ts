import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { readCells } from '../support/doc-table.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/reference/replays.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => /^\| +[0-9]+ /.test(line))
  .map(readCells);

/** `file` “words of its title”, as often as it stands in the cell. */
function citationsOf(cell: string): { file: string; words: string }[] {
  return Array.from(cell.matchAll(/`([^`]+)` “([^”]+)”/g), ([, file, words]) => ({ file: file!, words: words! }));
}

describe('docs/reference/replays.md', () => {
  it('has a row for each failure, in order', () => {
    assert.deepEqual(
      rows.map(([number]) => Number(number)),
      Array.from({ length: 26 }, (_, index) => index + 1),
    );
    for (const cells of rows) assert.equal(cells.length, 5, cells.join());
  });

  it('links each to where it is reported', () => {
    for (const [number, failure] of rows) assert.match(failure!, /\]\(https:\/\/github\.com\/[^)]+\)/, `row ${number}`);
  });

  it('names tests that are there, by words of a title, or says why there is none', () => {
    for (const [number, , , , cell] of rows) {
      const citations = citationsOf(cell!);
      const excuse = /^does not apply yet, because |^partly: |^fails: /.test(cell!);
      assert.ok(citations.length > 0 || excuse, `row ${number} names no test: ${cell}`);
      for (const { file, words } of citations) {
        assert.ok(existsSync(join(root, file)), `row ${number}: there is no ${file}`);
        const titles = readFileSync(join(root, file), 'utf8').matchAll(
          /\b(?:it|describe|onEachCni|declareAttacks)\(\s*(['"`])(.*?)\1,/gs,
        );
        const found = Array.from(titles, ([, , title]) => title!).some((title) => title.includes(words));
        assert.ok(found, `row ${number}: no title of ${file} has the words ${words}`);
      }
    }
  });

  it('names every file of replays', () => {
    const cited = new Set(rows.flatMap((cells) => citationsOf(cells[4]!)).map(({ file }) => file));
    const all = readdirSync(import.meta.dirname)
      .filter((name) => name.endsWith('.test.ts') && name !== basename(import.meta.filename))
      .map((name) => `test/replays/${name}`);
    assert.deepEqual(
      all.filter((file) => !cited.has(file)),
      [],
    );
  });
});
