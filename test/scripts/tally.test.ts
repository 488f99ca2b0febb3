import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { addTallies, formatTally, judgeStep } from '../../scripts/tally.ts';

const skip = { title: 'a test', reason: 'no kernel' };

describe('the tally of npm test', () => {
  it('takes a step that counts nothing as one check', () => {
    assert.deepEqual(judgeStep('lint', 0, undefined), { passed: 1, failed: [], skipped: [], leftOut: [] });
    assert.deepEqual(judgeStep('lint', 2, undefined), { passed: 0, failed: ['lint'], skipped: [], leftOut: [] });
  });

  it('takes the word of a step that counts', () => {
    const counted = { passed: 3, failed: ['one'], skipped: [skip], leftOut: [] };
    assert.equal(judgeStep('unit', 1, counted), counted);
  });

  it('does not let a crash pass because no test had failed before it', () => {
    assert.deepEqual(judgeStep('unit', 7, { passed: 3, failed: [], skipped: [], leftOut: [] }).failed, [
      'unit: exit code 7',
    ]);
  });

  it('counts what a step did that was stopped, and that it did not end', () => {
    const counted = { passed: 3, failed: ['one'], skipped: [], leftOut: [], isPartial: true as const };
    assert.deepEqual(judgeStep('unit', 1, counted).failed, ['one', 'unit: did not end']);
    assert.equal(judgeStep('unit', 1, counted).passed, 3);
    assert.deepEqual(judgeStep('unit', 0, { ...counted, failed: [] }).failed, ['unit: did not end']);
  });

  it('does not let a suite pass that ran nothing', () => {
    assert.deepEqual(judgeStep('unit', 0, { passed: 0, failed: [], skipped: [], leftOut: [] }).failed, [
      'unit: ran no test',
    ]);
    assert.deepEqual(judgeStep('unit', 0, { passed: 0, failed: [], skipped: [skip], leftOut: [] }).failed, []);
  });

  it('sums up in one line', () => {
    const all = addTallies([
      { passed: 3, failed: ['one'], skipped: [skip], leftOut: ['some'] },
      { passed: 1, failed: [], skipped: [], leftOut: [] },
    ]);
    assert.equal(formatTally(all), '4 passed, 1 failed, 1 skipped');
    assert.deepEqual(all.leftOut, ['some']);
  });
});
