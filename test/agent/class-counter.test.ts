import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ClassCounter } from '../../src/agent/class-counter.ts';
import type { CountedClass } from '../../src/compile/class-counters.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';

const { signal } = new AbortController();
const classOf = (name: string, policies: readonly string[] = ['x/p']): CountedClass => {
  return { name, entries: [name], chains: [name], pods: 2, policies };
};

describe('adding up what classes count', () => {
  /** Of each chain, what came and what of it was denied. */
  let kernel: Record<string, readonly [number, number]>;
  let metrics: ReturnType<typeof createMetrics>;
  let counter: ClassCounter;
  beforeEach(() => {
    kernel = {};
    metrics = createMetrics('1');
    counter = new ClassCounter(async () => {
      const rules = Object.entries(kernel).flatMap(([chain, counts]) =>
        counts.map((packets) => ({
          rule: { family: 'inet', table: 'postern', chain, expr: [{ counter: { packets, bytes: 0 } }] },
        })),
      );
      return JSON.stringify({ nftables: rules });
    }, metrics.classes);
  });
  const look = async (counts: typeof kernel): Promise<string[]> => {
    kernel = counts;
    await counter.look(signal);
    const text = await metrics.registry.metrics();
    return Array.from(
      text.matchAll(/^postern_class_packets_total\{class="(\w+)",verdict="(\w+)"\} (\d+)$/gm),
      ([, ...parts]) => parts.join(' '),
    );
  };

  it('counts from its first look on', async () => {
    await look({ a: [100, 40] });
    counter.applied([classOf('a')]);
    assert.deepEqual(await look({ a: [110, 43] }), ['a denied 3', 'a allowed 7']);
    assert.deepEqual(await look({ a: [110, 43] }), ['a denied 3', 'a allowed 7']);
  });

  it('counts a class that is new, or written anew, from 0', async () => {
    await look({ a: [100, 40] });
    counter.applied([classOf('a')]);
    await look({ a: [100, 40] });
    counter.applied([classOf('a'), classOf('b')]);
    assert.deepEqual(await look({ a: [5, 1], b: [9, 9] }), ['a denied 1', 'a allowed 4', 'b denied 9', 'b allowed 0']);
  });

  it('has no series of a class that is gone', async () => {
    await look({});
    counter.applied([classOf('a'), classOf('b')]);
    assert.equal((await look({ a: [1, 0], b: [1, 0] })).length, 4);
    counter.applied([classOf('b')]);
    assert.deepEqual(await look({ b: [2, 0] }), ['b denied 0', 'b allowed 2']);
    assert.doesNotMatch(await metrics.registry.metrics(), /class="a"/);
  });

  it('names ten policies of a class and says how many more there are', async () => {
    counter.applied([
      classOf(
        'a',
        Array.from({ length: 12 }, (_, i) => `x/p${i}`),
      ),
    ]);
    assert.match(await metrics.registry.metrics(), /policies="x\/p0 .*x\/p9 and 2 more"\} 2/);
  });
});
