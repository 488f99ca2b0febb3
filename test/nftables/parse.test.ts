import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { foreignIn, isForeign } from '../../src/nftables/foreign.ts';
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

  it('tells of flags of the table, and of objects of kinds that are never ours', () => {
    const others = [
      { kind: 'ct helper', name: 'h' },
      { kind: 'flowtable', name: 'f' },
    ] as const;
    const json = others.map(({ kind, name }) => ({ [kind]: { family: 'ip', table: 'postern', name, handle: 9 } }));
    assert.deepEqual(parseTable('ip', JSON.stringify({ nftables: [...chains, ...json] })).others, others);
    assert.deepEqual(foreignIn({ ...parse({}), others }), ['h', 'f']);
    assert.equal(parse({ flags: ['owner'] }).isFlagged, true);
    assert.deepEqual(Object.keys(parse({})), ['sets', 'maps', 'chains']);
  });

  it('finds nothing foreign in one that is not', () => {
    assert.deepEqual([...parse({ handle: 1 }).chains.values()].filter(isForeign), []);
  });
});
