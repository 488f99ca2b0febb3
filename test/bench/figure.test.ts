import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { boundRank, resultOf, type Figure } from '../../bench/figure.ts';

const figure = (values: readonly number[], bar?: Figure['bar']): Figure => ({
  id: 'B1',
  what: 'bulk TCP',
  unit: 'ratio',
  ...(bar && { bar }),
  runs: values.map((value) => ({ value })),
});
const oneTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe('a figure', () => {
  it('is compared by the unfavourable bound of its median, independent of the order of runs', () => {
    const runs = oneTo(15).toReversed();
    const atLeast = resultOf(figure(runs, { atLeast: 4 }));
    const atMost = resultOf(figure(runs, { atMost: 12 }));
    assert.deepEqual([atLeast.value, atLeast.bar, atLeast.holds], [4, 4, true]);
    assert.deepEqual([atMost.value, atMost.bar, atMost.holds], [12, 12, true]);
    assert.equal(resultOf(figure(runs, { atLeast: 5 })).holds, false);
    assert.equal(resultOf(figure(runs, { atMost: 11 })).holds, false);
  });

  it('is its worst run if there are too few runs', () => {
    const few = [3, 1, 2];
    assert.equal(resultOf(figure(few, { atLeast: 1 })).value, 1);
    assert.equal(resultOf(figure(few, { atMost: 3 })).value, 3);
  });

  it('is its median without a bar', () => {
    const { value, holds, min, median, max } = resultOf(figure([4, 1, 3, 2]));
    assert.deepEqual({ value, holds, min, median, max }, { value: 2.5, holds: undefined, min: 1, median: 2.5, max: 4 });
  });

  it('needs at least one run', () => {
    assert.throws(() => resultOf(figure([])), /B1, bulk TCP: nothing was measured/);
  });

  // Of tables of the sign test: the one-sided 5% point of a binomial with p = 1/2.
  it('skips as many runs as the sign test', () => {
    assert.deepEqual(
      [4, 5, 7, 8, 10, 11, 15, 20, 25, 30].map((count) => boundRank(count)),
      [0, 0, 0, 1, 1, 2, 3, 5, 7, 10],
    );
  });
});
