import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { foreignNames } from '../../src/nftables/foreign.ts';
import { parseTable } from '../../src/nftables/parse.ts';
import type { NftRule, Table } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';

/** Tables that others have had their hands in. */
describe('what is not of our language', () => {
  let kernel: Kernel;
  before(function () {
    const opened = Kernel.open('foreign');
    if (typeof opened === 'string') return skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());

  type Routed = 'ip' | 'ip6';
  const load = (family: Routed, body: string): Table => {
    kernel.reset();
    assert.equal(kernel.run(`table ${family} postern {\n${body}\n}\n`), undefined);
    return kernel.list()[family]!;
  };
  const eitherTable = ['ip', 'ip6'] as const;
  const isForeign = ({ matches }: NftRule): boolean => matches.some(({ kind }) => kind === 'foreign');

  const foreignRules = [
    'counter',
    'log prefix "x" drop',
    'limit rate 1/second drop',
    'iifname "eth*" drop',
    'iif "lo" drop',
    'meta oifkind "veth*" drop',
    'meta pkttype { host, 7 } drop',
    'ct state new,related drop',
    'tcp flags syn drop',
    'tcp flags & (fin | syn) != syn drop',
    'meta l4proto sctp sctp chunk init exists drop',
    'sctp chunk init missing drop',
    'sctp sport 80 drop',
    'udplite dport 80 drop',
    'reject',
    'meta mark set 1',
    'th sport 1 th dport 2 drop',
    'counter name "n" drop',
  ];
  const foreignRules4 = [
    'ct reply ip daddr 10.0.0.1 drop',
    'ct original saddr 10.0.0.1 drop',
    'ip protocol sctp sctp chunk init missing drop',
    'ip protocol sctp th dport 80 drop',
    'ip saddr < 10.0.0.1 drop',
    'ip saddr & 255.255.0.255 == 10.0.0.1 drop',
    'ip version 4 drop',
    'reject with icmp admin-prohibited',
    'ip saddr vmap { 10.0.0.1 : drop }',
    'ip saddr @s meta mark set 1 accept',
    'ct state new ip saddr . th dport { 10.0.0.1 . 80 } drop',
  ];
  const foreignRules6 = [
    'ct reply ip6 daddr fd00::1 drop',
    'ct original saddr fd00::1 drop',
    'ip6 nexthdr tcp drop',
    'ip6 saddr < fd00::1 drop',
    'ip6 saddr & ffff::ff == fd00::1 drop',
    'exthdr hbh exists drop',
    'reject with icmpv6 admin-prohibited',
    'ip6 saddr vmap { fd00::1 : drop }',
    'ip6 saddr @s meta mark set 1 accept',
    'ct state new ip6 saddr . th dport { fd00::1 . 80 } drop',
  ];
  for (const [family, text] of [
    ...eitherTable.flatMap((each) => foreignRules.map((rule) => [each, rule] as const)),
    ...foreignRules4.map((rule) => ['ip', rule] as const),
    ...foreignRules6.map((rule) => ['ip6', rule] as const),
  ]) {
    it(`in table ${family} the rule ${text}`, () => {
      const [type, address] = family === 'ip' ? ['ipv4_addr', '10.0.0.1'] : ['ipv6_addr', 'fd00::1'];
      const { chains, sets } = load(
        family,
        `counter n { }; set s { type ${type}; elements = { ${address} }; }; chain c { ${family} saddr @s accept; ${text}; counter drop; }`,
      );
      const rules = chains.get('c')!.rules;
      assert.deepEqual(rules.map(isForeign), [false, true, false]);
      assert.equal(sets.get('s')!.elements.size, 1);
    });
  }

  for (const text of [
    'ether daddr 02:00:00:00:00:01 drop',
    'ether type 0x88a8 drop',
    'ether type { ip, 0x0842 } drop',
    'vlan id 7 drop',
    'arp operation request drop',
    'arp operation 1 drop',
    'ip protocol sctp sctp chunk init missing drop',
  ]) {
    it(`in the table of bridges the rule ${text}`, () => {
      kernel.reset();
      const chain = `chain prerouting { type filter hook prerouting priority -300; arp saddr ip 10.0.0.1 drop; ${text}; accept; }`;
      const script = `table ip postern { }; table bridge postern { ${chain}; }\n`;
      assert.equal(kernel.run(script), undefined);
      const held = kernel.list();
      assert.deepEqual(held.bridge!.chains.get('prerouting')!.rules.map(isForeign), [false, true, false]);
      assert.deepEqual(foreignNames(held), ['prerouting']);
    });
  }

  const foreignSets = [
    'type mark;',
    'type ifname; flags interval; elements = { "eth*" };',
    'type ipv4_addr; flags timeout;',
    'type ipv4_addr; flags dynamic,timeout; timeout 1m;',
    'type ipv4_addr; size 100;',
    'type ipv4_addr; comment "x";',
    'type ipv4_addr; elements = { 10.0.0.1 comment "x" };',
    'type ipv4_addr; counter;',
    'type ipv4_addr . mark;',
  ];
  for (const text of foreignSets) {
    it(`a set with ${text}`, () => {
      const { sets } = load('ip', `set odd { ${text} }; set s { type ipv4_addr; elements = { 10.0.0.1 }; };`);
      assert.deepEqual(sets.get('odd'), { name: 'odd', key: [], interval: false, elements: new Set() });
      assert.equal(sets.get('s')!.elements.size, 1);
    });
  }

  it('a map of something else', () => {
    const { maps } = load('ip', 'map odd { type ipv4_addr : mark; elements = { 10.0.0.1 : 1 }; }');
    assert.deepEqual(maps.get('odd'), { name: 'odd', key: [], interval: false, elements: new Map() });
  });

  const foreignHeaders = [
    'type filter hook forward priority -10; policy drop;',
    'type filter hook prerouting priority -10; policy accept;',
    'type nat hook output priority -10; policy accept;',
    'comment "x";',
  ];
  for (const family of eitherTable) {
    for (const header of foreignHeaders) {
      it(`in table ${family} a chain with ${header}`, () => {
        const { chains } = load(family, `chain odd { ${header} counter drop; }`);
        const { base, rules } = chains.get('odd')!;
        assert.deepEqual([base, rules.map(isForeign)], [undefined, [true, false]]);
      });
    }
  }

  it('other tables, and objects of other kinds', () => {
    kernel.reset();
    const other = '{ set s { type ipv4_addr; }; chain other { drop; }; }';
    const script = `table inet postern ${other}; table ip other ${other}; table ip postern { counter n { }; chain c { accept; }; }`;
    assert.equal(kernel.run(`${script}\n`), undefined);
    const { ip, ...others } = kernel.list();
    const { sets, maps, chains } = ip!;
    assert.deepEqual([sets.size, maps.size, [...chains.keys()], others], [0, 0, ['c'], {}]);
  });

  it('what is of another table in a listing of all', () => {
    const chain = (family: string, table: string): string => JSON.stringify({ chain: { family, table, name: family } });
    const listing = `{"nftables":[${[chain('ip', 'other'), chain('ip', 'postern'), chain('ip6', 'postern')].join()}]}`;
    assert.deepEqual([...parseTable('ip6', listing).chains.keys()], ['ip6']);
    assert.deepEqual([...parseTable('ip', listing).chains.keys()], ['ip']);
    assert.deepEqual([...parseTable('bridge', listing).chains.keys()], []);
  });

  it('nft’s names for protocols and types, which are the machine’s: no guess', () => {
    const rule = (right: string, protocol: string, field: string): string =>
      JSON.stringify({
        rule: {
          family: 'ip',
          table: 'postern',
          chain: 'c',
          expr: [{ match: { op: '==', left: { payload: { protocol, field } }, right } }, { drop: null }],
        },
      });
    const chain = '{"chain":{"family":"ip","table":"postern","name":"c"}}';
    const text = [
      chain,
      rule('igmp', 'ip', 'protocol'),
      rule('tcp', 'ip', 'protocol'),
      rule('echo-request', 'icmp', 'type'),
    ];
    const rules = parseTable('ip', `{"nftables":[${text.join()}]}`).chains.get('c')!.rules;
    assert.deepEqual(rules.map(isForeign), [true, false, true]);
  });
});
