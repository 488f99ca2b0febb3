import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import { renderRule, renderScript } from '../../src/nftables/render.ts';
import type { Field, NftRule, NftSet, Operation, TableFamily, VerdictMap } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { loadOperations } from './load.ts';
import { makeTable } from './make-table.ts';

/** `!` marks what the kernel takes, or may take: in the table of bridges it depends on its modules. */
const strange: readonly [family: TableFamily, rule: NftRule, onlyUs?: '!'][] = [
  ...readings('ip', 'ip6 saddr', 'ip6 daddr', 'arp saddr ip'),
  ...readings('ip6', 'ip saddr', 'ip daddr', 'arp saddr ip'),
  ['ip', comparing('ip6 hoplimit', '255')],
  ['ip6', comparing('ip ttl', '255')],
  ['ip6', comparing('ip protocol', 'tcp')],
  ['ip', { matches: [], verdict: { kind: 'record', key: ['ct original ip6 saddr'], set: 'noted6' } }],
  ['ip', { matches: [], verdict: { kind: 'record', key: ['ct reply ip6 saddr'], set: 'noted6' } }],
  ['ip6', { matches: [], verdict: { kind: 'record', key: ['ct original ip saddr'], set: 'noted4' } }],
  ['ip6', { matches: [], verdict: { kind: 'record', key: ['ct reply ip saddr'], set: 'noted4' } }],
  ['ip', comparing('icmpv6 type', '135'), '!'],
  ['ip6', comparing('icmp type', '3'), '!'],
  ['bridge', comparing('ct state', 'new'), '!'],
  ['bridge', { matches: [], verdict: { kind: 'reject-tcp-reset' } }, '!'],
];

/** Each field compared, looked up in a set and in a map. */
function readings(family: TableFamily, ...fields: Field[]): [TableFamily, NftRule][] {
  return fields.flatMap((field): [TableFamily, NftRule][] => {
    const digit = field.startsWith('ip6') ? 6 : 4;
    return [
      [family, comparing(field, digit === 6 ? '::1' : '10.0.0.1')],
      [family, { matches: [{ kind: 'lookup', key: [field], set: `any${digit}` }], verdict: { kind: 'drop' } }],
      [family, { matches: [], verdict: { kind: 'vmap', key: [field], map: `map${digit}` } }],
    ];
  });
}

function comparing(field: Field, value: string): NftRule {
  return { matches: [{ kind: 'compare', field, op: '==', values: [value] }], verdict: { kind: 'drop' } };
}

const headers = [
  { digit: 4, key: ['ipv4_addr'], interval: false },
  { digit: 6, key: ['ipv6_addr'], interval: false },
] as const;
const sets = headers.flatMap(({ digit, ...header }): NftSet[] => [
  { name: `any${digit}`, ...header, elements: new Set() },
  { name: `noted${digit}`, ...header, elements: new Set(), records: { seconds: 60, size: 9 } },
]);
const maps = headers.map(({ digit, ...header }): VerdictMap => ({
  name: `map${digit}`,
  ...header,
  elements: new Map(),
}));

/** In a table that has all that rules refer to; the last operation writes the rule. */
function writing(family: TableFamily, rule: NftRule): Operation[] {
  return loadOperations({ [family]: makeTable(sets, maps, [{ name: 'c', rules: [rule] }]) });
}

describe('what packets of a table do not have, no rule reads', () => {
  let kernel: Kernel;
  before(function () {
    const opened = Kernel.open('field');
    if (typeof opened === 'string') return skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());

  for (const [family, rule, onlyUs] of strange) {
    const title = `in table ${family}: ${renderRule(rule)}`;

    it(title, () => {
      const operations = writing(family, rule);
      const refusal = { code: 'refused', reason: 'type', index: operations.length - 1 };
      assert.throws(() => applyOperations({}, operations), refusal);
    });

    if (onlyUs) continue;
    it(`${title}, says the kernel`, () => {
      kernel.reset();
      const operations = writing(family, rule);
      assert.equal(kernel.run(renderScript(operations.slice(0, -1))), undefined);
      assert.match(kernel.run(renderScript(operations.slice(-1)))!, /conflicting .*protocols specified/);
    });
  }
});
