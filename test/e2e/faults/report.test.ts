import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { brokenPromises, type Result } from '../../../e2e/faults/result.ts';
import { faults } from '../../../e2e/faults/faults.ts';
import { renderBroken, renderTable } from '../../../e2e/faults/report.ts';

const kept: Result = {
  name: 'api-gone',
  title: 'The API server is gone',
  tries: 4,
  forbiddenThrough: { bad: 0, of: 1000 },
  allowedLost: { bad: 0, of: 900 },
  timesToRight: [100, 400, 200, 300],
};
const flushed: Result = { ...kept, name: 'table-flushed', title: 'Flushed', window: 1000 };

describe('the fault table', () => {
  it('shows every count beside what was sent, and the median and the longest of the times', () => {
    assert.equal(
      renderTable([kept, { ...flushed, forbiddenThrough: { bad: 7, of: 10 }, tries: 1, timesToRight: [999] }]),
      [
        '| Fault                           | Tries | Forbidden through | Allowed lost | Time to right again: median | max    |',
        '| ------------------------------- | ----- | ----------------- | ------------ | --------------------------- | ------ |',
        '| The API server is gone          | 4     | 0 of 1000         | 0 of 900     | 0.25 s                      | 0.40 s |',
        '| Flushed (window at most 1.00 s) | 1     | 7 of 10           | 0 of 900     | 1.00 s                      | 1.00 s |',
      ].join('\n'),
    );
  });

  const promises: readonly (readonly [what: string, result: Result, broken: readonly string[]])[] = [
    ['nothing passed and nothing was lost', kept, []],
    ['forbidden packets passed', { ...kept, forbiddenThrough: { bad: 1, of: 9 } }, ['1 forbidden packets passed']],
    ['allowed packets were lost', { ...kept, allowedLost: { bad: 2, of: 9 } }, ['2 allowed packets were lost']],
    ['forbidden packets passed within a window', { ...flushed, forbiddenThrough: { bad: 1, of: 9 } }, []],
    ['a window was kept to the millisecond', { ...flushed, timesToRight: [1000] }, []],
    ['a window was not kept', { ...flushed, timesToRight: [1, 1001] }, ['it took 1001 ms, not 1000 at most']],
    [
      'allowed packets were lost within a window',
      { ...flushed, allowedLost: { bad: 1, of: 9 } },
      ['1 allowed packets were lost'],
    ],
    ['nothing forbidden was sent', { ...kept, forbiddenThrough: { bad: 0, of: 0 } }, ['nothing was sent']],
    ['nothing allowed was sent', { ...kept, allowedLost: { bad: 0, of: 0 } }, ['nothing was sent']],
    ['it came to no end', { ...kept, error: 'not settled\nlog' }, ['not settled']],
  ];
  for (const [what, result, broken] of promises) {
    it(`judges: ${what}`, () => {
      assert.deepEqual(brokenPromises(result), broken);
      assert.deepEqual(
        renderBroken([kept, result]),
        broken.map((each) => `${result.name}: ${each}`),
      );
    });
  }

  it('names every fault once, and lets only tampering with our tables have a window', () => {
    assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length);
    assert.deepEqual(
      faults.filter(({ window }) => window !== undefined).map(({ name, window }) => [name, window]),
      [
        ['table-flushed', 1000],
        ['table-deleted', 1000],
        ['one-table-deleted', 1000],
      ],
    );
  });
});
