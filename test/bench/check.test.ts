import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { findRegressions, type Recorded } from '../../bench/check.ts';

const recorded: readonly Recorded[] = [
  { id: 'B1', what: 'bulk TCP', median: 1, worse: 'less' },
  { id: 'B3', what: 'additions, p50', median: 2, worse: 'more' },
  { id: 'B10', what: 'compile', median: 1, worse: 'more' },
  { id: 'B11', what: 'small UDP', median: 1, worse: 'less' },
];
const seen = (id: string, what: string, median: number) => [{ id, what, median }];

describe('bench --check', () => {
  it('lists packet rates that are worse by more than a tenth, and other ratios by more than 15 %', () => {
    assert.deepEqual(findRegressions(seen('B1', 'bulk TCP', 0.89), recorded), ['B1, bulk TCP: 0.890, recorded 1.00']);
    assert.deepEqual(findRegressions(seen('B3', 'additions, p50', 2.31), recorded), [
      'B3, additions, p50: 2.31, recorded 2.00',
    ]);
  });

  it('accepts figures within the tolerance or better', () => {
    for (const median of [0.9, 1.5]) assert.deepEqual(findRegressions(seen('B1', 'bulk TCP', median), recorded), []);
    for (const median of [2.3, 0.1])
      assert.deepEqual(findRegressions(seen('B3', 'additions, p50', median), recorded), []);
  });

  it('knows benches of packets by their whole number', () => {
    assert.deepEqual(findRegressions(seen('B10', 'compile', 1.14), recorded), []);
    assert.equal(findRegressions(seen('B11', 'small UDP', 0.89), recorded).length, 1);
  });

  it('does not compare unrecorded figures', () => {
    assert.deepEqual(findRegressions(seen('B1', 'small UDP', 0), recorded), []);
  });
});
