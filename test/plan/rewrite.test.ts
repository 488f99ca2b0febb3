import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import type { Chain, NftRule, Ruleset, Table } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep, tablesUnlike } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { plain } from '../support/plain.ts';
import { compileNode } from '../support/pipeline.ts';

const desired = compileNode('n1', [
  namespace('x'),
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: ['10.1.0.2'] }),
  policy('x/p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] }),
]);
const foreignRule: NftRule = { matches: [{ kind: 'foreign', text: 'ip saddr @dbg' }], verdict: { kind: 'return' } };

const forward = desired.ip!.chains.get('forward')!;

/** One table with one chain otherwise, and a set that only a foreign rule may refer to. */
function tampered(chain: Chain, family: 'ip' | 'ip6' = 'ip'): Ruleset {
  const stray = { name: 'dbg', key: ['ipv4_addr'], interval: false, elements: new Set<string>() } as const;
  const { chains, sets, maps } = desired[family]!;
  const table = { maps, chains: new Map([...chains, [chain.name, chain]]), sets: new Map([...sets, ['dbg', stray]]) };
  return { ...desired, [family]: table };
}

describe('planStages: a table that is not as we left it', () => {
  for (const [what, chain] of [
    ['a foreign rule', { ...forward, rules: [foreignRule, ...forward.rules] }],
    ['a base chain of another priority', { ...forward, base: { hook: 'forward', priority: 7 } }],
    ['a base chain that drops', { name: 'forward', rules: [foreignRule, ...forward.rules] }],
  ] as const) {
    it(`makes all of it beside what is there, and then goes back to its names, where there is ${what}`, () => {
      const generations = bring(tampered(chain));
      const rulesOf = (table: Table, name: string): number => table.chains.get(name)?.rules.length ?? 0;
      for (const { ip } of generations.slice(2)) {
        const rules = ['forward', 'forward/r'].map((name) => (ip!.chains.get(name)?.base ? rulesOf(ip!, name) : 0));
        assert.equal(Math.max(...rules), forward.rules.length);
      }
    });
  }

  it('first empties the chains that go, then deletes what they look up', () => {
    const held = tampered({ ...forward, base: { hook: 'forward', priority: 7 } });
    const names = planStages(desired, held).stages.map(({ name, operations }) => [name, operations[0]!.verb]);
    assert.deepEqual(names, [
      ['make', 'add set'],
      ['switch', 'replace rules'],
      ['delete', 'flush chain'],
      ['delete', 'delete map'],
      ['make', 'add set'],
      ['switch', 'replace rules'],
      ['delete', 'flush chain'],
      ['delete', 'delete chain'],
    ]);
  });

  it('does so again, under other names, where it was cut short', () => {
    const held = tampered({ ...forward, rules: [foreignRule] });
    const { stages } = planStages(desired, held);
    let cut: Ruleset = held;
    for (const { operations } of stages.slice(0, -1)) {
      cut = applyOperations(cut, operations);
      const found: Ruleset = { ...cut, ip: { ...cut.ip!, others: [{ kind: 'counter', name: 'c' }] } };
      assert.deepEqual(planSweep(found).stages, []);
      bring(found);
      bring(planSweep(cut).stages.reduce((swept, stage) => applyOperations(swept, stage.operations), cut));
    }
  });

  it('takes no name that something else has', () => {
    const { ip } = tampered({ ...forward, rules: [foreignRule] });
    const [first] = ip!.sets.keys();
    const other = { name: `${first}/r`, key: ['inet_proto'], interval: false, elements: new Set<string>() } as const;
    bring({ ...desired, ip: { ...ip!, sets: new Map([...ip!.sets, [other.name, other]]) } });
  });

  it('deletes objects of kinds that are never ours', () => {
    const others = [
      { kind: 'counter', name: 'c1' },
      { kind: 'ct helper', name: 'c1' },
    ] as const;
    const held = { ...desired, ip: { ...desired.ip!, others } };
    assert.deepEqual(tablesUnlike(desired, held), ['ip']);
    bring(held);
  });

  for (const [what, table] of [
    ['that is switched off', { isFlagged: true }],
    ['with a name that nft cannot say', { others: [{ kind: 'counter', name: 'a b' }] }],
  ] as const) {
    it(`replaces a table ${what} in one transaction`, () => {
      const held = { ...desired, ip: { ...desired.ip!, ...table } };
      assert.deepEqual(
        planStages(desired, held).stages.map(({ name, operations }) => [name, operations[0]!.verb]),
        [['switch', 'replace table']],
      );
      bring(held);
    });
  }

  for (const name of ['a b', 'x; flush ruleset', 'counter']) {
    it(`replaces a table with a chain "${name}", and writes that name nowhere`, () => {
      const chains = new Map([...desired.ip!.chains, [name, { name, rules: [] }]]);
      const held = { ...desired, ip: { ...desired.ip!, chains } };
      assert.deepEqual(tablesUnlike(desired, held), ['ip']);
      assert.deepEqual(planSweep(held).stages, []);
      const { stages } = planStages(desired, held);
      assert.deepEqual(
        stages.map(({ operations }) => operations[0]!.verb),
        ['replace table'],
      );
      bring(held);
    });
  }

  it('keeps no base chain with such a name in a table that is not wanted', () => {
    const base = { hook: 'forward', priority: -10 } as const;
    const chains = new Map(['forward', 'a b'].map((name) => [name, { name, base, rules: [] }]));
    const { result } = planStages(desired, { ...desired, bridge: { sets: new Map(), maps: new Map(), chains } });
    assert.deepEqual([...result.bridge!.chains.keys()], ['forward']);
  });

  it('leaves few copies where it fails again and again', () => {
    let held = tampered({ ...forward, rules: [foreignRule] });
    const first = desired.ip!.chains.size;
    for (let attempt = 0; attempt < 10; attempt++) {
      const [stage] = planStages(desired, held).stages;
      if (stage!.name === 'make') held = applyOperations(held, stage!.operations);
    }
    assert.ok(held.ip!.chains.size > first && held.ip!.chains.size <= 5 * first, `${held.ip!.chains.size}`);
    assert.equal(planStages(desired, held).stages[0]!.operations[0]!.verb, 'replace table');
    bring(held);
  });

  it('and only that one of our tables', () => {
    const bridge = { sets: new Map(), maps: new Map(), chains: new Map([['forward', forward]]) };
    const spoilt = { ...bridge, chains: new Map([['forward', { ...forward, rules: [foreignRule] }]]) };
    for (const family of ['ip', 'ip6'] as const) {
      const held = { ...tampered({ ...forward, rules: [foreignRule] }, family), bridge };
      const { stages, result } = planStages({ ...desired, bridge }, held);
      const families = stages.flatMap(({ operations }) => operations.map((operation) => operation.family));
      assert.deepEqual([...new Set(families)], [family]);
      assert.equal(result.bridge, bridge);
      assert.deepEqual(result[family === 'ip' ? 'ip6' : 'ip'], desired[family === 'ip' ? 'ip6' : 'ip']);
    }
    assert.deepEqual(plain(planSweep({ ...desired, bridge: spoilt }).result), plain({ ...desired, bridge: spoilt }));
  });

  it('is not swept before, since what a foreign rule refers to is not known', () => {
    assert.deepEqual(planSweep(tampered({ ...forward, rules: [foreignRule] })).stages, []);
    assert.equal(planSweep(tampered(forward)).stages.length, 1);
  });

  /** What the kernel holds after each step; in the end, what it should. A step that adds a base chain deletes no chain. */
  function bring(held: Ruleset): Ruleset[] {
    const { stages, result } = planStages(desired, held);
    const generations = [held];
    for (const { operations } of stages) {
      generations.push(applyOperations(generations.at(-1)!, operations));
      const verbs = new Set(operations.map(({ verb }) => verb));
      const hasNew = operations.some((each) => each.verb === 'add chain' && each.chain.base);
      assert.ok(verbs.has('replace table') || !hasNew || !verbs.has('delete chain'));
    }
    const last = generations.at(-1)!;
    assert.deepEqual(planStages(desired, last).stages, []);
    assert.deepEqual(tablesUnlike(desired, last), []);
    assert.deepEqual(tablesUnlike(result, last), []);
    assert.equal(last.ip!.sets.has('dbg'), false);
    return generations;
  }
});
