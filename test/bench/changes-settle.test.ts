import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { settle } from '../../bench/changes/settle.ts';
import type { Commit } from '../../bench/kernel/commit-watch.ts';

/** An agent that has applied all events at a time, and a watch that reports commits at theirs. Times in milliseconds. */
function run({ appliedAt, reports }: { appliedAt: number; reports: readonly number[] }): Promise<Commit[]> {
  let time = 0;
  const left = reports.map((at): Commit => ({ at, added: new Set(), removed: new Set() }));
  return settle({
    drain: () => left.splice(0, left.filter(({ at }) => at <= time).length),
    hasApplied: () => Promise.resolve(time >= appliedAt),
    now: () => time,
    wait: (milliseconds) => Promise.resolve((time += milliseconds)),
  });
}

async function reported(options: Parameters<typeof run>[0]): Promise<number[]> {
  return (await run(options)).map(({ at }) => at);
}

describe('a bench that waits until the agent has nothing left to do', () => {
  it('has all commits of an agent that is busy for long between two of them', async () => {
    assert.deepEqual(await reported({ appliedAt: 5000, reports: [10, 20, 4990] }), [10, 20, 4990]);
  });

  it('has the commit that the watch reports after the agent has answered', async () => {
    assert.deepEqual(await reported({ appliedAt: 5000, reports: [10, 5300, 6200] }), [10, 5300, 6200]);
  });

  it('does not wait forever', async () => {
    await assert.rejects(run({ appliedAt: Infinity, reports: [10] }), /has not applied all events after 120 s/);
  });
});
