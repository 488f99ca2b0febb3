import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { livenessChecks, watchLiveness } from '../../src/agent/liveness-watch.ts';
import { Checks } from '../../src/telemetry/checks.ts';

function look(stuckFor: number): Checks {
  const live = new Checks(livenessChecks);
  const stop = new AbortController();
  watchLiveness({ stuckFor }, live, stop.signal);
  stop.abort();
  return live;
}

describe('liveness', () => {
  it('is lost only by a change that has made no step for more than five minutes', () => {
    for (const milliseconds of [0, 60_000, 300_000]) assert.equal(look(milliseconds).ok, true, String(milliseconds));
    assert.deepEqual(look(301_000).results(), [{ name: 'loop', reason: 'a change has been under way for 301 s' }]);
  });

  it('keeps no process alive that was told to stop before', () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    watchLiveness({ stuckFor: 0 }, new Checks(livenessChecks), AbortSignal.abort());
    assert.equal(timers(), before);
  });
});
