import { deepEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { sortInSteps } from '../../src/lib/sort-in-steps.ts';

/** The sorted values, and the comparisons of each step. */
function sortCounting(values: readonly number[][]): { sorted: number[][]; comparisons: number[] } {
  const comparisons: number[] = [];
  let count = 0;
  const steps = sortInSteps(values, ([a], [b]) => {
    count++;
    return a! - b!;
  });
  for (;;) {
    const step = steps.next();
    comparisons.push(count);
    count = 0;
    if (step.done) return { sorted: step.value, comparisons };
  }
}

describe('sortInSteps', () => {
  it('sorts as Array.sort does, also equal elements', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 500 }), { maxLength: 5000, size: 'max' }), (keys) => {
        const values = keys.map((key, index) => [key, index]);
        deepEqual(
          sortCounting(values).sorted,
          values.toSorted(([a], [b]) => a! - b!),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('does little in each step, however many values there are', () => {
    const values = Array.from({ length: 50_000 }, (_, index) => [(index * 7919) % 50_000]);
    const { comparisons } = sortCounting(values);
    // A step sorts 1,024 values (about 1,024 × 10 comparisons), or merges as many.
    ok(Math.max(...comparisons) < 12_000, `${Math.max(...comparisons)} comparisons in one step`);
  });
});
