import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { countEmpty, isEmptyAccepted, type EmptyLists } from '../../src/watch/empty-list.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** Whether each of so many answers, so far apart, is believed. */
function ask(count: number, apartMs: number): boolean[] {
  const clock = new ManualClock();
  let answers: EmptyLists | undefined;
  return Array.from({ length: count }, () => {
    answers = countEmpty(answers, clock.now());
    const isAccepted = isEmptyAccepted(answers, clock.now());
    clock.advance(apartMs);
    return isAccepted;
  });
}

describe('a list that comes back empty', () => {
  it('is believed when it has come back so for half a minute', () => {
    assert.deepEqual(ask(8, 5000), [false, false, false, false, false, false, true, true]);
    assert.equal(ask(200, 100).some(Boolean), false);
  });

  it('and no less than five times', () => {
    assert.deepEqual(ask(6, 60_000), [false, false, false, false, true, true]);
  });
});
