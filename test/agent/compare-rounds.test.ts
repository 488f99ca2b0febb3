import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { CompareRounds } from '../../src/agent/pod-networks/compare-rounds.ts';

const places = (count: number) => Array.from({ length: count }, (_, name) => ({ name }));

describe('the turns of pods whose tables are compared', () => {
  it('come to each in 100 looks, also with more pods than looks', () => {
    for (const count of [1, 7, 100, 101, 250]) {
      const all = places(count);
      const rounds = new CompareRounds<object>();
      rounds.next([], 0);
      const chosen = Array.from({ length: 100 }, (_, look) => rounds.next(all, look + 1)).flat();
      assert.equal(new Set(chosen).size, count);
      assert.ok(chosen.length <= 100 * Math.ceil(count / 100));
    }
  });

  it('do not stay with one that always differs', () => {
    const [odd, ...others] = places(3);
    const rounds = new CompareRounds<object>();
    for (let now = 10; now <= 90; now += 10) {
      for (const place of rounds.next([odd!, ...others], now)) if (place !== odd) rounds.same(place, now);
    }
    assert.equal(rounds.oldest([odd!, ...others], 100), 90);
    assert.ok(rounds.oldest(others, 100)! <= 30);
  });

  it('count a new pod as compared, and know nothing of none', () => {
    const [old, young] = places(2);
    const rounds = new CompareRounds<object>();
    rounds.next([old!], 10);
    rounds.next([old!, young!], 50);
    assert.deepEqual(
      [rounds.oldest([old!, young!], 60), rounds.oldest([young!], 60), rounds.oldest([], 60)],
      [50, 10, undefined],
    );
  });
});
