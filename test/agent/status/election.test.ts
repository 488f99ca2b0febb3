import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { expiryMs, judgeLeadership, leadMs, nextLook, renewMs } from '../../../src/agent/status/election.ts';
import { keepLooking } from '../../../src/agent/status/keep-looking.ts';
import { WriteBudget, writesPerSecond } from '../../../src/agent/status/write-budget.ts';
import { ApiError } from '../../../src/watch/api-error.ts';

describe('the election of the agent that writes statuses', () => {
  const lease = (holder: string, resourceVersion = '5') => ({ holder, resourceVersion });
  const judge = (of: ReturnType<typeof lease> | undefined, seen?: { resourceVersion: string; at: number }, now = 0) =>
    judgeLeadership(of, { me: 'me', seen, now });

  it('takes a Lease that is free, its own, or unchanged for a minute by its own clock (S10.30)', () => {
    assert.equal(judge(undefined), 'create');
    assert.equal(judge(lease('me')), 'take');
    assert.equal(judge(lease('')), 'take');
    assert.equal(judge(lease('other')), 'wait');
    assert.equal(judge(lease('other'), { resourceVersion: '5', at: 0 }, expiryMs - 1), 'wait');
    assert.equal(judge(lease('other'), { resourceVersion: '5', at: 0 }, expiryMs), 'take');
    assert.equal(judge(lease('other'), { resourceVersion: '4', at: 0 }, 10 * expiryMs), 'wait');
  });

  it('leaves no moment for two: who cannot renew stops before another may take over', () => {
    assert.ok(renewMs < leadMs && leadMs < expiryMs);
  });

  it('is looked at twice a second at most, by all agents together (S10.30)', () => {
    for (const nodes of [1, 30, 1000, 5000]) {
      const average = [0, 0.25, 0.5, 0.75].map((random) => nextLook(nodes, false, random + 0.125));
      const perSecond = (nodes * 4000) / average.reduce((sum, each) => sum + each, 0);
      assert.ok(perSecond <= 2.01, `${perSecond} looks a second of ${nodes} nodes`);
    }
    assert.ok(nextLook(5000, true, 0.9) <= expiryMs);
  });
});

describe('the loop', () => {
  it('goes on after each failure, tells the first of a series, and asks seldom without the right (S10.30)', async () => {
    const stop = new AbortController();
    const forbidden = new ApiError('refused', 'forbidden', { status: 403 });
    const script = [new ApiError('unreachable', 'away'), new Error('a bug'), 7, forbidden, forbidden, 7];
    const told: string[] = [];
    const sleeps: number[] = [];
    await keepLooking(
      async () => {
        const next = script.shift()!;
        if (script.length === 0) stop.abort();
        if (typeof next === 'number') return next;
        throw next;
      },
      {
        signal: stop.signal,
        sleep: async (ms) => sleeps.push(ms),
        random: () => 1,
        failed: (error) => void told.push((error as Error).message),
        recovered: () => void told.push('recovered'),
      },
    );
    assert.deepEqual(told, ['away', 'recovered', 'forbidden', 'recovered']);
    assert.deepEqual(sleeps, [1000, 2000, 7, 900_000, 900_000, 7]);
  });
});

describe('the budget of writes', () => {
  it('lets a burst pass, then a rate that shrinks with the nodes (S10.30)', () => {
    assert.deepEqual([1, 100, 1000, 100_000].map(writesPerSecond), [5, 5, 0.5, 0.2]);
    const budget = new WriteBudget(0);
    const taken = (from: number, to: number): number => {
      let count = 0;
      for (let now = from; now < to; now += 10) if (budget.take(now, 1000)) count++;
      return count;
    };
    assert.equal(taken(0, 100), 10);
    assert.equal(taken(100, 60_000), 29);
    // What was not used does not add up without end.
    assert.equal(taken(10_000_000, 10_000_100), 10);
  });
});
