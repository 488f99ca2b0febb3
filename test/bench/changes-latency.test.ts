import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { latencyFigures, percentile } from '../../bench/changes/latency.ts';

const oneTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe('latencies', () => {
  it('have percentiles that are measured values, independent of order', () => {
    const values = oneTo(100).toReversed();
    assert.deepEqual([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)], [50, 99, 100]);
    assert.deepEqual([percentile([1, 2, 3], 0.5), percentile([1, 2, 3, 4], 0.5)], [2, 2]);
    assert.deepEqual([percentile([7], 0.5), percentile([7], 0.99)], [7, 7]);
    assert.throws(() => percentile([], 0.5), /no values/);
  });

  it('are compared by round, median with median and tail with tail', () => {
    const slow = { ours: oneTo(100).map((value) => 4 * value), baseline: oneTo(100) };
    const [p50, p99] = latencyFigures('B3', 'label', [
      slow,
      { ...slow, baseline: oneTo(100).map((value) => 2 * value) },
    ]);
    assert.deepEqual(p50!.runs, [
      { value: 4, ours: 200, baseline: 50 },
      { value: 2, ours: 200, baseline: 100 },
    ]);
    assert.deepEqual([p50!.bar, p99!.bar], [{ atMost: 2 }, { atMost: 3 }]);
    assert.deepEqual(p99!.runs[0], { value: 4, ours: 396, baseline: 99 });
  });
});
