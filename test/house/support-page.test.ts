import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parts } from '../../scripts/vm/parts.ts';
import { cellsOf, findMissing, mergeRows, tableHeader, type Row } from '../../scripts/vm/record.ts';
import { expectDocTable } from '../support/doc-table.ts';

const page = 'docs/support.md';
const rows = JSON.parse(readFileSync(new URL('../../docs/support.json', import.meta.url), 'utf8')) as Row[];

describe('docs/support.md', () => {
  it('has the results of docs/support.json, in their order', async () => {
    assert.deepEqual(mergeRows([], rows), rows);
    await expectDocTable(page, tableHeader, rows.map(cellsOf));
  });

  it('has the parts of the matrix', async () => {
    const part = parts.map(({ name, proves, nft }) => {
      return [name, nft.length === 1 ? `${proves}; nft ${nft[0]} only` : proves];
    });
    await expectDocTable(page, ['Part', 'It proves'], part);
  });

  it('says what has not run', async () => {
    await expectDocTable(page, ['Kernel', 'nft', 'Not run'], findMissing(rows));
  });

  it('is of a matrix that runs in part every night', () => {
    const nightly = readFileSync(new URL('../../.github/workflows/nightly.yml', import.meta.url), 'utf8');
    assert.match(nightly, /npm run matrix -- .*--part rules$/m);
  });
});
