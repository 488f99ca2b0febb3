import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ClassCounter } from '../../src/agent/class-counter.ts';
import type { CountedClass } from '../../src/compile/class-counters.ts';
import type { Family } from '../../src/model/address.ts';
import { routedTable } from '../../src/nftables/ruleset.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';

const { signal } = new AbortController();
type Counted = Record<string, readonly [number, number]>;
const classOf = (name: string, more: Partial<CountedClass> = {}): CountedClass => {
  return { family: 'ipv4', name, entries: [name], chains: [name], pods: 2, policies: ['x/p'], ...more };
};

describe('adding up what classes count', () => {
  /** Of each chain of a family's table, what came and what of it was denied. */
  let kernel: Partial<Record<Family, Counted>>;
  let metrics: ReturnType<typeof createMetrics>;
  let counter: ClassCounter;
  beforeEach(() => {
    kernel = {};
    metrics = createMetrics('1');
    counter = new ClassCounter(async (family) => {
      const counted = kernel[family];
      if (!counted) return undefined;
      const rules = Object.entries(counted).flatMap(([chain, counts]) =>
        counts.map((packets) => ({
          rule: { family: routedTable[family], table: 'postern', chain, expr: [{ counter: { packets, bytes: 0 } }] },
        })),
      );
      return JSON.stringify({ nftables: rules });
    }, metrics.classes);
  });
  const look = async (ipv4: Counted, ipv6?: Counted): Promise<string[]> => {
    kernel = { ipv4, ...(ipv6 && { ipv6 }) };
    await counter.look(signal);
    const text = await metrics.registry.metrics();
    return Array.from(
      text.matchAll(/^postern_class_packets_total\{class="(\w+)",family="(\w+)",verdict="(\w+)"\} (\d+)$/gm),
      ([, ...parts]) => parts.join(' ').replace(' ipv4', ''),
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

  it('counts each family by itself, also where one has no table', async () => {
    await look({ a: [100, 40] });
    counter.applied([classOf('a'), classOf('a', { family: 'ipv6', pods: 1 })]);
    assert.deepEqual(await look({ a: [103, 41] }, { a: [5, 2] }), [
      'a denied 1',
      'a allowed 2',
      'a ipv6 denied 2',
      'a ipv6 allowed 3',
    ]);
    assert.deepEqual((await look({ a: [103, 41] }, { a: [9, 2] })).slice(2), ['a ipv6 denied 2', 'a ipv6 allowed 7']);
    assert.match(
      await metrics.registry.metrics(),
      /class_pods\{class="a",family="ipv4",.*\} 2\n.*class_pods\{class="a",family="ipv6",.*\} 1\n/,
    );
    counter.applied([classOf('a')]);
    assert.equal((await look({ a: [103, 41] }, { a: [9, 2] })).length, 2);
    assert.doesNotMatch(await metrics.registry.metrics(), /family="ipv6"/);
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
    counter.applied([classOf('a', { policies: Array.from({ length: 12 }, (_, i) => `x/p${i}`) })]);
    assert.match(await metrics.registry.metrics(), /policies="x\/p0 .*x\/p9 and 2 more"\} 2/);
  });
});
