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

  it('reads a set of records, whatever packets have added: Linux 6.1 lists their time, Linux 6.18 does not (K39)', () => {
    const header = { family: 'ip', table: 'postern', name: 'denied', handle: 7, type: ['ipv4_addr', 'inet_proto'] };
    const read = (more: object, counted = {}) => {
      const elem = { val: { concat: ['10.0.0.1', 'udp'] }, expires: 59, counter: { packets: 1, bytes: 30 }, ...more };
      const set = { ...header, size: 4096, flags: ['timeout', 'dynamic'], timeout: 60, elem: [{ elem }], ...counted };
      return parseTable('ip', JSON.stringify({ nftables: [...chains, { set }] })).sets.get('denied')!;
    };
    const ours = {
      name: 'denied',
      key: ['ipv4_addr', 'inet_proto'],
      interval: false,
      elements: new Set(),
      records: { seconds: 60, size: 4096 },
    };
    assert.deepEqual(read({}), ours);
    assert.deepEqual(read({ timeout: 60 }), ours);
    // nft 1.1.7 counts the elements (K41).
    assert.deepEqual(read({}, { count: 1 }), ours);
    for (const foreign of [{ timeout: 3600 }, { comment: 'x' }]) assert.equal(isForeign(read(foreign)), true);
  });
});
