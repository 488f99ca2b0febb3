import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { renderMatch, renderRule, renderScript, renderVerdict } from '../../src/nftables/render.ts';
import type { Chain, NftRule, TableFamily } from '../../src/nftables/ruleset.ts';
import { hooksOf, tableFamilies } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { on } from './load.ts';
import { matchesOf, reset, standing, verdictsOf } from './match-texts.ts';

describe('the text of a rule', () => {
  const everyMatch = new Set(tableFamilies.flatMap((family) => matchesOf[family]));
  const everyVerdict = new Map(tableFamilies.flatMap((family) => verdictsOf[family]));
  for (const [match, text] of everyMatch) it(text, () => assert.equal(renderMatch(match), text));
  for (const [verdict, text] of everyVerdict) it(text, () => assert.equal(renderVerdict(verdict), text));

  it('a counter stands before the verdict, a comment after it', () => {
    const rule = {
      matches: [{ kind: 'tcp-not-syn' }],
      counter: true,
      verdict: { kind: 'drop' },
      comment: 'a; } b',
    } as const;
    assert.equal(renderRule(rule), 'tcp flags & (fin | syn | rst | ack) != syn counter drop comment "a; } b"');
  });

  it('a match that is not of our language is one that nft refuses', () => {
    assert.equal(renderMatch({ kind: 'foreign', text: '{"x":1}' }), String.raw`foreign "{\"x\":1}"`);
  });

  describe('is taken by the kernel', () => {
    let kernel: Kernel;
    before(function () {
      const opened = Kernel.open('match');
      if (typeof opened === 'string') return skipTest(this, opened);
      kernel = opened;
    });
    after(() => kernel?.close());

    for (const family of tableFamilies) {
      for (const [match, text] of matchesOf[family]) {
        it(`of ${family}: ${text}`, () =>
          check(family, [
            { matches: [match], counter: true, verdict: { kind: 'drop' }, comment: '{;}' },
            { matches: [match], verdict: { kind: 'drop' } },
          ]));
      }
      for (const [verdict, text] of verdictsOf[family]) {
        it(`of ${family}: ${text}`, () =>
          check(family, [
            { matches: [], verdict },
            { matches: [], counter: true, verdict },
          ]));
      }
    }

    // Whether nft lists the protocol that a reset implies depends on what else is in the rule.
    const saysProtocol = /^(meta l4proto|ip protocol|udp|icmp)|(udp|tcp) [sd]port/;
    for (const family of ['ip', 'ip6'] as const) {
      for (const [match, text] of matchesOf[family]) {
        if (saysProtocol.test(text)) continue;
        it(`of ${family}: ${text} reject with tcp reset`, () =>
          check(family, [
            { matches: [match], verdict: reset },
            { matches: [match], counter: true, verdict: reset },
          ]));
      }
    }

    // In table ip nft leaves this protocol out, as everywhere `meta l4proto`.
    it('of bridge: ip protocol tcp th dport 80', () =>
      check('bridge', [
        {
          matches: [
            { kind: 'compare', field: 'ip protocol', op: '==', values: ['tcp'] },
            { kind: 'compare', field: 'th dport', op: '==', values: ['80'] },
          ],
          verdict: { kind: 'drop' },
        },
      ]));

    function check(family: TableFamily, rules: readonly NftRule[]): void {
      kernel.reset();
      const [hook] = hooksOf[family];
      const chain: Chain = { name: 'base', base: { hook: hook!, priority: -10 }, rules };
      const script = renderScript(on(family, [...standing, { verb: 'add chain', chain }]));
      assert.equal(kernel.run(script, { check: true }), undefined);
      assert.equal(kernel.run(script), undefined);
      assert.deepEqual(kernel.list()[family]?.chains.get('base'), chain);
    }

    it('foreign is not', () => {
      kernel.reset();
      const chain: Chain = {
        name: 'c',
        rules: [{ matches: [{ kind: 'foreign', text: 'x' }], verdict: { kind: 'drop' } }],
      };
      const script = renderScript(on('ip', [...standing, { verb: 'add chain', chain }]));
      assert.match(kernel.run(script)!, new RegExp(`^/dev/stdin:${standing.length + 1}:[0-9-]+: Error`));
    });
  });
});
