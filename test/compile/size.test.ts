import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultBudgets, type Budgets } from '../../src/compile/budgets.ts';
import { defaultLimits, type ShapeLimits } from '../../src/compile/shape-limits.ts';
import type { Compiled } from '../../src/compile/compile.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { NftSet, Ruleset } from '../../src/nftables/ruleset.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode, removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { countWholeReads } from '../support/whole-reads.ts';
import { routedTables } from '../support/routed.ts';

const base = [namespace('x'), node('n1', '192.0.2.1'), pod('x/a', { ips: ['10.1.0.2'] })];

/** How many addresses are led to a class. */
function isolatedIn({ ip }: Ruleset, direction: 'egress' | 'ingress'): number {
  const verdicts = [...ip!.maps.get(`${direction}4`)!.elements.values()];
  return verdicts.filter((verdict) => 'chain' in verdict && verdict.chain.startsWith(`${direction}-`)).length;
}

describe('the size of what a small policy compiles to (S9.12)', () => {
  it('a wide block with many ports is not cut by narrow ones', () => {
    const narrow = Array.from({ length: 8 }, (_, rule) => ({
      to: addresses(500, `20.${rule}`).map((address) => ({ ipBlock: { cidr: `${address}/32` } })),
      ports: [{ port: 30_000 + 2 * rule }],
    }));
    const wide = { to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: singlePorts(250) };
    const spec = { podSelector: {}, policyTypes: ['Egress'], egress: [wide, ...narrow] };
    assert.ok(countElements(compileNode('n1', [...base, policy('x/p', spec)])) <= 250 + 8 * 500 + 10);
  });

  it('ports of equal peers are put together', () => {
    const ingress = Array.from({ length: 12 }, (_, rule) => ({
      from: [{ podSelector: {} }],
      ports: singlePorts(200, 1000 + rule * 1000),
    }));
    const ruleset = compileNode('n1', [...base, ...peers(1000), policy('x/p', { podSelector: {}, ingress })]);
    assert.ok(countElements(ruleset) <= 1001 + 12 * 200 + 10);
  });

  it('what would be multiplied all the same keeps its groups apart, behind their ports', () => {
    const objects = [...base, ...peers(1000), policy('x/huge', { podSelector: {}, ingress: hugeRules() })];
    for (const maxNodeTuples of [defaultLimits.maxNodeTuples, Infinity]) {
      const limits = { ...defaultLimits, maxClassTuples: Infinity, maxNodeTuples };
      const { compiled } = startPipeline('n1', objects, { limits }).plan(undefined);
      assert.equal(compiled.oversized.size, 0);
      assert.ok(countElements(compiled.ruleset) <= 12 * 1001 + 10);
      const ports = routedTables(compiled.ruleset).map(({ maps }) =>
        [...maps].filter(([name]) => name.startsWith('ports-')).map(([, { elements }]) => elements.size),
      );
      assert.deepEqual(ports, [[2400, 2400, 2400], []]);
    }
  });

  it('classes of large groups share the sets of groups, if few groups may use a port', () => {
    /** Elements of group sets. Each of `count` pods has a class of its own, which names all groups but one. */
    const elementsWith = (count: number, portsOf: (group: number) => object): number => {
      const groups = Array.from({ length: count }, (_, index) => `g${index}`);
      const objects = groups.flatMap((group, index) => [
        ...addresses(300, `10.${20 + index}`).map((ip, i) =>
          pod(`x/${group}-${i}`, { node: 'n2', ips: [ip], labels: { group } }),
        ),
        pod(`x/local-${index}`, { ips: [`10.1.1.${index}`], labels: { local: group } }),
        policy(`x/p-${index}`, {
          podSelector: { matchLabels: { local: group } },
          ingress: groups
            .filter((other) => other !== group)
            .map((other) => ({
              from: [{ podSelector: { matchLabels: { group: other } } }],
              ...portsOf(groups.indexOf(other)),
            })),
        }),
      ]);
      const { compiled } = startPipeline('n1', [...base, ...objects]).plan(undefined);
      return setsNamed(compiled.ruleset, 'pods').reduce((sum, { elements }) => sum + elements.size, 0);
    };
    const apart = (group: number) => ({ ports: [{ port: 1000 * group + 1, endPort: 1000 * group + 100 }] });
    const overlapping = (group: number) => ({ ports: [{ port: group + 1, endPort: 100 }] });
    assert.equal(
      elementsWith(9, () => ({})),
      9 * 300,
    );
    assert.equal(
      elementsWith(10, () => ({})),
      10 * 9 * 300,
      'nine groups of a port: each class has their union',
    );
    assert.equal(elementsWith(10, apart), 10 * 300);
    assert.equal(elementsWith(9, overlapping), 9 * 300);
  });

  it('where the classes of a node together write out too much, groups of the larger ones are there once', () => {
    const ports = [1, 3, 5, 7].map((port) => ({ port }));
    const objects = [
      ...base,
      ...Array.from({ length: 20 }, (_, i) => pod(`x/local-${i}`, { ips: [`10.1.1.${i}`], labels: { local: `${i}` } })),
      ...peers(1000),
      ...Array.from({ length: 20 }, (_, i) =>
        policy(`x/large-${i}`, {
          podSelector: { matchLabels: { local: `${i}` } },
          ingress: [{ from: [{ podSelector: {} }], ports: [...ports, { port: 100 + i }] }],
        }),
      ),
      policy('x/small', {
        podSelector: { matchLabels: { local: '0' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: { matchLabels: { local: '1' } } }], ports }],
      }),
    ];
    const countAt = (limits: Partial<ShapeLimits>): number => {
      const options = {
        limits: { ...defaultLimits, maxClassTuples: Infinity, ...limits },
        budgets: { ...defaultBudgets, namespace: Infinity },
      };
      const { compiled } = startPipeline('n1', objects, options).plan(undefined);
      assert.equal(compiled.oversized.size, 0);
      assert.deepEqual(
        setsNamed(compiled.ruleset, 'tuples').flatMap(({ elements }) => (elements.size < 9 ? [...elements] : [])),
        ports.map(({ port }) => `10.1.1.1 . tcp . ${port}`),
        'the small one is written out',
      );
      return countElements(compiled.ruleset);
    };
    assert.ok(countAt({ maxTuples: 10_000 }) > 20 * 5 * 1000);
    assert.ok(countAt({ maxTuples: 10_000, maxNodeTuples: 20_000 }) < 2 * 1000 + 200);
  });

  describe('where policies cost a node more than they may (S9.13)', () => {
    const of = (group: string) => [{ podSelector: { matchLabels: { group } }, namespaceSelector: {} }];
    const sizes = { a: 1000, b: 900, c: 10 };
    const members = Object.entries(sizes).flatMap(([group, count], index) =>
      addresses(count, `10.${10 + index}`).map((ip, i) =>
        pod(`x/${group}${i}`, {
          node: 'n2',
          ips: [ip],
          labels: { group },
          ports: [{ name: 'web', containerPort: 80 }],
        }),
      ),
    );
    const allowing = (name: string, group: string): ApiObject =>
      policy(name, { podSelector: {}, ingress: [{ from: of(group) }] });
    const victim = [namespace('y'), pod('y/victim', { ips: ['10.1.0.3'] })];
    const compileWithin = (budgets: Budgets, objects: readonly ApiObject[]): Compiled =>
      startPipeline('n1', objects, { budgets }).plan(undefined).compiled;
    const groupSizes = (ruleset: Ruleset): number[] =>
      setsNamed(ruleset, 'pods')
        .map(({ elements }) => elements.size)
        .sort((one, other) => one - other);

    it('a change of members builds no class again that was too much at the last change', () => {
      const groupOf = (name: string, index: number, count: number) =>
        addresses(count, `10.${40 + index}`).map((ip, i) =>
          pod(`x/${name}-${i}`, { node: 'n2', ips: [ip], labels: { group: name } }),
        );
      const large = Array.from({ length: 8 }, (_, index) => [
        ...groupOf(`large-${index}`, index, 50),
        policy(`x/large-${index}`, {
          podSelector: { matchLabels: { is: 'large' } },
          ingress: [{ from: of(`large-${index}`), ports: singlePorts(10, 1000 * index + 1) }],
        }),
      ]).flat();
      const objects = [
        ...[namespace('x'), node('n1', '192.0.2.1')],
        ...[
          pod('x/a', { ips: ['10.1.0.2'], labels: { is: 'large' } }),
          pod('x/b', { ips: ['10.1.0.3'], labels: { is: 'b' } }),
        ],
        ...large,
        ...groupOf('small', 8, 5),
        policy('x/b', {
          podSelector: { matchLabels: { is: 'b' } },
          ingress: [{ from: of('small'), ports: [{ port: 80 }] }],
        }),
      ];
      const budgets = { policy: Infinity, namespace: 10_000, node: Infinity };
      const options = { budgets, limits: { ...defaultLimits, maxClassTuples: Infinity } };
      const pipeline = startPipeline('n1', objects, options);
      const first = pipeline.plan(undefined);
      const more = pod('x/more', { node: 'n2', ips: ['10.99.0.1'], labels: { group: 'small' } });
      pipeline.receive(upsertOf(more));
      const { result, elements } = countWholeReads(() => pipeline.plan(first.result));
      const { counts, oversized } = result.compiled;
      assert.ok(
        counts.rounds > 1 && oversized.size > 0 && oversized.size < 8,
        JSON.stringify([counts, oversized.size]),
      );
      assert.deepEqual([elements, counts.builtClasses], [0, 1]);
      const fresh = startPipeline('n1', [...objects, more], options).plan(undefined).compiled;
      assert.deepEqual(oversized, fresh.oversized);
      assert.equal(renderRuleset(result.compiled.ruleset), renderRuleset(fresh.ruleset));
      // And a large one that changes itself is counted again.
      for (const each of groupOf('large-0', 0, 50).slice(0, 40)) pipeline.receive(removeOf(each));
      for (const each of groupOf('large-1', 1, 50).slice(0, 40)) pipeline.receive(removeOf(each));
      const rest = [...objects, more].filter(({ metadata }) => !/^large-[01]-[0-3]?[0-9]$/.test(metadata.name));
      const shrunk = startPipeline('n1', rest, options).plan(undefined).compiled;
      const after = pipeline.plan(result.result).compiled;
      assert.deepEqual(after.oversized, shrunk.oversized);
      assert.ok(after.oversized.size < oversized.size);
      assert.equal(renderRuleset(after.ruleset), renderRuleset(shrunk.ruleset));
    });

    it('the largest of the namespace are left out, and take no other with them', () => {
      const objects = [
        ...[...base, ...members],
        ...[allowing('x/large', 'a'), allowing('x/medium', 'b'), allowing('x/small', 'c')],
      ];
      for (const order of [objects, objects.toReversed()]) {
        const { oversized, ruleset } = compileWithin({ policy: 3900, namespace: 3900, node: 50_000 }, order);
        assert.deepEqual([...oversized.keys()], ['x/large']);
        const { of: what, own, cost, budget } = oversized.get('x/large')!;
        assert.deepEqual([what, budget], ['namespace', 3900]);
        assert.ok(own > 2000 && own < 2100, `${own}`);
        assert.ok(cost > 3900 && cost < 5000, `${cost}`);
        assert.equal(isolatedIn(ruleset, 'ingress'), 1);
        assert.deepEqual(groupSizes(ruleset), [910]);
      }
    });

    it('a group that grows counts for each namespace that names it', () => {
      const budgets = { policy: 5000, namespace: 3800, node: 50_000 };
      const start = [...base, ...victim, allowing('x/p', 'a'), allowing('y/p', 'a'), allowing('y/q', 'b')];
      const pipeline = startPipeline('n1', start, { budgets });
      let applied = pipeline.plan(undefined);
      assert.equal(applied.compiled.oversized.size, 0);
      for (const member of members.toReversed()) {
        pipeline.receive(upsertOf(member));
        applied = pipeline.plan(applied.result);
      }
      assert.deepEqual([...applied.compiled.oversized.keys()], ['y/p']);
      const { compiled: fresh } = startPipeline('n1', [...start, ...members], { budgets }).plan(undefined);
      assert.deepEqual(applied.compiled.oversized, fresh.oversized);
      assert.deepEqual(applied.compiled.ruleset, fresh.ruleset);
    });

    it('a policy that costs too much by itself is left out, however much is left', () => {
      const objects = [...base, ...members, allowing('x/large', 'a'), allowing('x/small', 'c')];
      const { oversized } = compileWithin({ policy: 2000, namespace: 50_000, node: 50_000 }, objects);
      assert.deepEqual(
        [...oversized].map(([id, { of: what, budget }]) => [id, what, budget]),
        [['x/large', 'policy', 2000]],
      );
    });

    it('a name counts for what is looked at to resolve it, in each class anew', () => {
      const names = [
        policy('x/named', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] }),
        policy('x/few', {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: of('c'), ports: [{ port: 'web' }] }],
        }),
      ];
      const { oversized, ruleset } = compileWithin({ policy: 5000, namespace: 19_000, node: 19_000 }, [
        ...[...base, ...members],
        ...names,
      ]);
      assert.deepEqual([...oversized.keys()], ['x/named']);
      assert.equal(isolatedIn(ruleset, 'egress'), 1);
      assert.deepEqual(
        setsNamed(ruleset, 'tuples').map(({ elements }) => elements.size),
        [10],
      );
    });

    it('who fills the node pays: the largest policy of another namespace stays', () => {
      const many = Array.from({ length: 100 }, (_, index) =>
        policy(`x/p${index}`, {
          podSelector: {},
          ingress: [
            {
              from: addresses(20, `20.${index}`).map((ip) => ({ ipBlock: { cidr: `${ip}/32` } })),
              ports: [{ port: 1 + 2 * index }],
            },
          ],
        }),
      );
      const objects = [...base, ...members, ...victim, ...many, allowing('y/large', 'a')];
      const { oversized, ruleset } = compileWithin({ policy: 5000, namespace: 50_000, node: 10_000 }, objects);
      assert.ok(oversized.size > 0);
      assert.deepEqual(
        [...oversized.keys()].filter((id) => !id.startsWith('x/')),
        [],
      );
      assert.ok(groupSizes(ruleset).includes(1000));
      for (const { cost, budget } of oversized.values())
        assert.ok(budget >= 5000 && cost > budget, `${cost} of ${budget}`);
    });

    it('blocks with excepts and ports of their own cost as much as they have; beyond the budget, nothing is made of them', () => {
      const rulesOf = (count: number, ports: (index: number) => object): ApiObject =>
        policy('x/p', {
          podSelector: {},
          ingress: Array.from({ length: count }, (_, index) => ({
            from: [{ ipBlock: { cidr: '0.0.0.0/0', except: [`10.0.${index >> 8}.${index & 255}/32`] } }],
            ports: [ports(index)],
          })),
        });
      const single = (index: number): object => ({ port: 1 + 2 * index });
      const overlapping = (index: number): object => ({ port: 1 + index, endPort: 30_000 + index });
      for (const [each, elements] of [
        [rulesOf(500, single), 1000],
        [rulesOf(300, overlapping), 600],
      ] as const) {
        const { oversized, ruleset, counts } = compileWithin(defaultBudgets, [...base, ...victim, each]);
        assert.equal(oversized.size, 0);
        assert.ok(countElements(ruleset) <= 2 * elements + 50, `${countElements(ruleset)}`);
        assert.ok(counts.work >= countElements(ruleset) && counts.work <= defaultBudgets.namespace, `${counts.work}`);
      }
      for (const each of [rulesOf(8000, single), rulesOf(8000, overlapping)]) {
        const { oversized, ruleset, counts } = compileWithin(defaultBudgets, [...base, ...victim, each]);
        assert.deepEqual([...oversized.keys()], ['x/p']);
        assert.ok(countElements(ruleset) <= 50);
        assert.equal(counts.work, 0);
      }
    });

    it('rules behind ports count before they are made', () => {
      const many = policy('x/p', {
        podSelector: {},
        ingress: Array.from({ length: 200 }, (_, index) => ({
          from: [{ podSelector: { matchExpressions: [{ key: `k${index}`, operator: 'DoesNotExist' }] } }],
          ports: [{ port: 1 + index, endPort: 30_000 + index }],
        })),
      });
      const options = {
        limits: { ...defaultLimits, maxNodeTuples: 100 },
        budgets: { ...defaultBudgets, policy: Infinity, namespace: Infinity },
      };
      const { ruleset, counts } = startPipeline('n1', [...base, ...peers(100), many], options).plan(undefined).compiled;
      const rules = [...ruleset.ip!.chains.values()].reduce((sum, chain) => sum + chain.rules.length, 0);
      assert.ok(rules > 10_000, `${rules}`);
      // Of each chain there is one for replies and one for errors too, and each ends with a rule.
      assert.ok(3.75 * counts.work > rules, `${rules} rules, ${counts.work} counted`);
    });

    it('classes count: label combinations of two policies on many pods are paid by their namespace', () => {
      const pods = Array.from({ length: 60 }, (_, index) => {
        const labels = Object.fromEntries(Array.from({ length: 6 }, (__, bit) => [`b${bit}`, `${(index >> bit) & 1}`]));
        return pod(`x/combined-${index}`, { ips: [`10.1.1.${index}`], labels });
      });
      const each = Array.from({ length: 6 }, (_, bit) =>
        policy(`x/bit-${bit}`, {
          podSelector: { matchLabels: { [`b${bit}`]: '1' } },
          ingress: [
            {
              from: addresses(60, `20.${bit}`).map((ip) => ({ ipBlock: { cidr: `${ip}/32` } })),
              ports: singlePorts(3, 1000 + 10 * bit),
            },
          ],
        }),
      );
      const objects = [...base, ...members, ...victim, ...pods, ...each, allowing('y/large', 'a')];
      assert.equal(compileWithin(defaultBudgets, objects).oversized.size, 0);
      const { oversized } = compileWithin({ policy: 50_000, namespace: 100_000, node: 1_000_000 }, objects);
      assert.ok(oversized.size >= 1 && oversized.size < 6, `${oversized.size}`);
      // Some 30 classes each.
      for (const { own } of oversized.values()) assert.ok(own > 20 * 124, `${own}`);
      assert.ok([...oversized.keys()].every((id) => id.startsWith('x/')));
    });
  });

  it('many policies that are small each stay, however many they are', () => {
    const policies = Array.from({ length: 100 }, (_, index) =>
      policy(`x/p${index}`, {
        podSelector: {},
        ingress: [
          {
            from: [{ podSelector: { matchExpressions: [{ key: `k${index}`, operator: 'DoesNotExist' }] } }],
            ports: [{ port: 1000 + 2 * index }],
          },
        ],
      }),
    );
    const { compiled } = startPipeline('n1', [...base, ...peers(400), ...policies]).plan(undefined);
    assert.equal(compiled.oversized.size, 0);
    assert.ok(countElements(compiled.ruleset) >= 40_000);
  });
});

/** Twelve groups of their own, each with ports of its own: 2.4 million tuples in 36 KB. */
function hugeRules(): unknown[] {
  return Array.from({ length: 12 }, (_, rule) => ({
    from: [{ podSelector: { matchExpressions: [{ key: `absent-${rule}`, operator: 'DoesNotExist' }] } }],
    ports: singlePorts(200, 1000 + rule * 1000),
  }));
}

function singlePorts(count: number, first = 1000): { port: number }[] {
  return Array.from({ length: count }, (_, index) => ({ port: first + 2 * index }));
}

function peers(count: number): ApiObject[] {
  return addresses(count, '10.2').map((ip, index) => pod(`x/p${index}`, { node: 'n2', ips: [ip] }));
}

function addresses(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}.${index >> 7}.${(index & 127) * 2}`);
}

/** Those of classes, of either family, by the kind of their lookup. */
function setsNamed(ruleset: Ruleset, kind: 'tuples' | 'pods'): NftSet[] {
  const sets = routedTables(ruleset).flatMap((table) => [...table.sets.values()]);
  return sets.filter(({ name }) => [`${kind}4`, `${kind}6`].includes(name.split('-')[0]!));
}

function countElements(ruleset: Ruleset): number {
  const sets = routedTables(ruleset).flatMap((table) => [...table.sets.values()]);
  return sets.reduce((sum, { elements }) => sum + elements.size, 0);
}
