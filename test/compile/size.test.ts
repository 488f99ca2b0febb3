import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode, startPipeline, type ApiObject } from '../support/pipeline.ts';

const base = [namespace('x'), node('n1', '192.0.2.1'), pod('x/a', { ips: ['10.1.0.2'] })];

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

  it('what would be multiplied all the same is left out, reported, and takes no other policy with it', () => {
    const objects = [
      ...base,
      ...peers(1000),
      policy('x/huge', { podSelector: {}, ingress: hugeRules() }),
      policy('x/small', {
        podSelector: {},
        ingress: [{ from: [{ ipBlock: { cidr: '20.0.0.1/32' } }], ports: [{ port: 80 }] }],
      }),
    ];
    for (const order of [objects, objects.toReversed()]) {
      const { compiled } = startPipeline('n1', order).plan(undefined);
      assert.deepEqual([...compiled.oversized.keys()], ['x/huge']);
      assert.ok(compiled.oversized.get('x/huge')! > 1_000_000);
      assert.ok(countElements(compiled.ruleset) < 20);
      const blocks = [...compiled.ruleset.sets.values()].find(({ name }) => name.startsWith('c4-'))!;
      assert.deepEqual([...blocks.elements], ['20.0.0.1 . tcp . 80']);
      assert.equal(compiled.ruleset.maps.get('ingress4')!.elements.size, 1);
    }
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

function countElements({ sets }: Ruleset): number {
  return sets.values().reduce((sum, { elements }) => sum + elements.size, 0);
}
