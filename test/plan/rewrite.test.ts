import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyOperations } from '../../src/nftables/edit.ts';
import type { Chain, NftRule, Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode } from '../support/pipeline.ts';

const desired = compileNode('n1', [
  namespace('x'),
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: ['10.1.0.2'] }),
  policy('x/p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] }),
]);
const foreignRule: NftRule = { matches: [{ kind: 'foreign', text: 'ip saddr @dbg' }], verdict: { kind: 'return' } };

/** One table with one chain otherwise, and a set that only a foreign rule may refer to. */
function tampered(chain: Chain, family: 'ip' | 'ip6' = 'ip'): Ruleset {
  const stray = { name: 'dbg', key: ['ipv4_addr'], interval: false, elements: new Set<string>() } as const;
  const { chains, sets, maps } = desired[family]!;
  const table = { maps, chains: new Map([...chains, [chain.name, chain]]), sets: new Map([...sets, ['dbg', stray]]) };
  return { ...desired, [family]: table };
}

describe('planStages: a table that is not as we left it', () => {
  const forward = desired.ip!.chains.get('forward')!;

  for (const [what, chain] of [
    ['a foreign rule', { ...forward, rules: [foreignRule, ...forward.rules] }],
    ['a base chain of another priority', { ...forward, base: { hook: 'forward', priority: 7 } }],
  ] as const) {
    it(`writes it anew in one transaction where there is ${what}`, () => {
      const plan = planStages(desired, tampered(chain));
      assert.deepEqual(
        plan.stages.map(({ name, operations }) => [name, operations[0]!.verb]),
        [['switch', 'replace table']],
      );
      const result = applyOperations(tampered(chain), plan.stages[0]!.operations);
      assert.deepEqual(planStages(desired, result).stages, []);
      assert.equal(result.ip!.sets.has('dbg'), false);
    });
  }

  it('and only that one of our tables', () => {
    const bridge = { sets: new Map(), maps: new Map(), chains: new Map([['forward', forward]]) };
    const spoilt = { ...bridge, chains: new Map([['forward', { ...forward, rules: [foreignRule] }]]) };
    const plan = planStages({ ...desired, bridge }, { ...desired, bridge: spoilt });
    assert.deepEqual(
      plan.stages.map(({ operations }) => operations.map(({ family, verb }) => [family, verb])),
      [
        [
          ['bridge', 'replace table'],
          ['bridge', 'add chain'],
        ],
      ],
    );
    for (const family of ['ip', 'ip6'] as const) {
      const held = { ...tampered({ ...forward, rules: [foreignRule] }, family), bridge };
      const { stages, result } = planStages({ ...desired, bridge }, held);
      const families = stages.flatMap(({ operations }) => operations.map((operation) => operation.family));
      assert.deepEqual([...new Set(families)], [family]);
      assert.equal(result.bridge, bridge);
      assert.deepEqual(result[family === 'ip' ? 'ip6' : 'ip'], desired[family === 'ip' ? 'ip6' : 'ip']);
    }
    assert.deepEqual(planSweep({ ...desired, bridge: spoilt }).result, { ...desired, bridge: spoilt });
  });

  it('is not swept before, since what a foreign rule refers to is not known', () => {
    assert.deepEqual(planSweep(tampered({ ...forward, rules: [foreignRule] })).stages, []);
    assert.equal(planSweep(tampered(forward)).stages.length, 1);
  });
});
