import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { readJudged, tableOfBars } from '../../bench/bars.ts';
import { resultOf, type Figure } from '../../bench/figure.ts';

const page = `
|     | What               | Bound (bar)   | Holds  | Min  | Median | Max  | Runs |
| --- | ------------------ | ------------- | ------ | ---- | ------ | ---- | ---- |
| B1  | bulk, 10 policies  | 0.959 (0.970) | **no** | 0.75 | 0.978  | 1.41 | 51   |
| B1  | bulk, 100 policies | 0.980 (0.970) | yes    | 0.75 | 0.990  | 1.41 | 51   |
| B1  | bulk, as a list    |               |        | 0.75 | 0.990  | 1.41 | 51   |
| B7  | resident           | 163 (80.0)    | **no** | 150  | 155 MB | 163  | 5    |
| B8  | a start, 10.5 MB   | 3.85 (2.00)   | **no** | 3.42 | 3.60 s | 4.22 | 9    |
`;
const result = (id: string, what: string, unit: Figure['unit'], value: number, bar?: Figure['bar']) =>
  resultOf({ id, what, unit, runs: [{ value }], ...(bar && { bar }) });

describe('the table of bars', () => {
  it('reads the figures of a page that a bar judges', () => {
    const judged = readJudged(page);
    assert.equal(judged.length, 4);
    assert.deepEqual(judged.at(-1), {
      id: 'B8',
      what: 'a start, 10.5 MB',
      unit: 's',
      value: '3.85',
      bar: '2.00',
      holds: false,
    });
    assert.equal(judged[0]!.unit, 'ratio');
  });

  it('reads all figures of the published page', () => {
    const text = readFileSync(new URL('../../docs/performance/all.md', import.meta.url), 'utf8');
    const verdicts = text.split('\n').filter((line) => /\| (yes|\*\*no\*\*) +\|/.test(line));
    assert.equal(readJudged(text).length, verdicts.length);
  });

  it('has one row for each bar, with the worst figure before and now', () => {
    const results = [
      result('B1', 'bulk, 10 policies', 'ratio', 0.99, { atLeast: 0.97 }),
      result('B1', 'bulk, 100 policies', 'ratio', 0.975, { atLeast: 0.97 }),
      result('B1', 'bulk, as a list', 'ratio', 0.5),
      result('B7', 'of the kernel', 'MB', 70, { atMost: 80 }),
      result('B8', 'a start, 9 MB', 's', 1.5, { atMost: 2 }),
      result('B8', 'another start', 's', 2.5, { atMost: 2 }),
      result('B9', 'a rollout', 's', 1, { atMost: 2 }),
    ];
    assert.deepEqual(tableOfBars(results, page).split('\n').slice(2), [
      '| B1 | at least 0.970 | **0.959** (1 of 2) | 0.975 (2 of 2) | bulk, 100 policies |',
      '| B7 | at most 80.0 MB |  | 70.0 (1 of 1) | of the kernel |',
      '| B8 | at most 2.00 s | **3.85** (0 of 1) | **2.50** (1 of 2) | another start |',
      '| B9 | at most 2.00 s |  | 1.00 (1 of 1) | a rollout |',
    ]);
  });
});
