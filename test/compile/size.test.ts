import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultLimits, type ShapeLimits } from '../../src/compile/class-shape.ts';
import type { NftSet, Ruleset } from '../../src/nftables/ruleset.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode, startPipeline, type ApiObject } from '../support/pipeline.ts';
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
    for (const node of [defaultLimits.node, Infinity]) {
      const { compiled } = startPipeline('n1', objects, { limits: { ...defaultLimits, node } }).plan(undefined);
      assert.equal(compiled.oversized.size, 0);
      assert.ok(countElements(compiled.ruleset) <= 12 * 1001 + 10);
      const ports = routedTables(compiled.ruleset).map(({ maps }) =>
        [...maps].filter(([name]) => name.startsWith('v-')).map(([, { elements }]) => elements.size),
      );
      assert.deepEqual(ports, [[2400, 2400, 2400], []]);
    }
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
      const { compiled } = startPipeline('n1', objects, { limits: { ...defaultLimits, ...limits } }).plan(undefined);
      assert.equal(compiled.oversized.size, 0);
      assert.deepEqual(
        setsNamed(compiled.ruleset, 't').flatMap(({ elements }) => (elements.size < 9 ? [...elements] : [])),
        ports.map(({ port }) => `10.1.1.1 . tcp . ${port}`),
        'the small one is written out',
      );
      return countElements(compiled.ruleset);
    };
    assert.ok(countAt({ product: 10_000 }) > 20 * 5 * 1000);
    assert.ok(countAt({ product: 10_000, node: 20_000 }) < 2 * 1000 + 200);
  });

  it('what is too much even so: policies that need most are left out, reported, and take no other with them', () => {
    const limits = { ...defaultLimits, node: 1500 };
    const of = (group: string) => [{ podSelector: { matchLabels: { group } } }];
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
    const objects = [
      ...base,
      ...members,
      policy('x/large', { podSelector: {}, ingress: [{ from: of('a') }] }),
      policy('x/medium', { podSelector: {}, ingress: [{ from: of('b') }] }),
      policy('x/small', { podSelector: {}, ingress: [{ from: of('c') }] }),
    ];
    for (const order of [objects, objects.toReversed()]) {
      const { compiled } = startPipeline('n1', order, { limits }).plan(undefined);
      assert.deepEqual([...compiled.oversized], [['x/large', 1000]]);
      assert.equal(isolatedIn(compiled.ruleset, 'ingress'), 1);
      assert.deepEqual(
        setsNamed(compiled.ruleset, 'g').map(({ elements }) => elements.size),
        [910],
      );
    }
    // A name stands for numbers of every pod that declares it, in each class anew.
    const names = [
      policy('x/named', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] }),
      policy('x/few', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: of('c'), ports: [{ port: 'web' }] }],
      }),
    ];
    const { compiled } = startPipeline('n1', [...base, ...members, ...names], { limits }).plan(undefined);
    assert.deepEqual([...compiled.oversized], [['x/named', 1910]]);
    assert.equal(isolatedIn(compiled.ruleset, 'egress'), 1);
    assert.deepEqual(
      setsNamed(compiled.ruleset, 't').map(({ elements }) => elements.size),
      [10],
    );
  });

  it('many policies that are small each stay, however many they are', () => {
    const policies = Array.from({ length: 200 }, (_, index) =>
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
    const { compiled } = startPipeline('n1', [...base, ...peers(600), ...policies]).plan(undefined);
    assert.equal(compiled.oversized.size, 0);
    assert.ok(countElements(compiled.ruleset) > 100_000);
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

/** Those of classes, of either family, by the kind of their look-up. */
function setsNamed(ruleset: Ruleset, kind: 't' | 'g'): NftSet[] {
  const sets = routedTables(ruleset).flatMap((table) => [...table.sets.values()]);
  return sets.filter(({ name }) => [`${kind}4-`, `${kind}6-`].includes(name.slice(0, 3)));
}

function countElements(ruleset: Ruleset): number {
  const sets = routedTables(ruleset).flatMap((table) => [...table.sets.values()]);
  return sets.reduce((sum, { elements }) => sum + elements.size, 0);
}
