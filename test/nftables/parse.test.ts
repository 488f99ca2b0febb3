import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { isForeign } from '../../src/nftables/foreign.ts';
import { parseTable } from '../../src/nftables/parse.ts';

const chains = [
  { chain: { family: 'ip', table: 'postern', name: 'c', handle: 2 } },
  {
    chain: {
      family: 'ip',
      table: 'postern',
      name: 'forward',
      handle: 3,
      type: 'filter',
      hook: 'forward',
      prio: -10,
      policy: 'accept',
    },
  },
];

describe('parseTable', () => {
  const parse = (table: object) =>
    parseTable('ip', JSON.stringify({ nftables: [{ table: { family: 'ip', name: 'postern', ...table } }, ...chains] }));

  it('holds the chains of a table that is switched off for none that we could want: no packet meets them', () => {
    const table = parse({ flags: 'dormant' });
    assert.deepEqual(
      [...table.chains.values()].filter(isForeign).map(({ name }) => name),
      ['forward'],
    );
  });

  it('finds nothing foreign in one that is not', () => {
    assert.deepEqual([...parse({ handle: 1 }).chains.values()].filter(isForeign), []);
  });
});
