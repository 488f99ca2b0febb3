import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Checks } from '../../src/telemetry/checks.ts';

describe('checks', () => {
  it('hold only once each has been reported fine', () => {
    const checks = new Checks(['a', 'b']);
    checks.report('a', undefined);
    assert.equal(checks.ok, false);
    checks.report('b', undefined);
    assert.equal(checks.ok, true);
  });

  it('say what is news', () => {
    const checks = new Checks(['a']);
    const news = ['x', 'x', undefined, undefined, 'y'].map((reason) => checks.report('a', reason));
    assert.deepEqual(news, [true, false, true, false, true]);
  });

  it('hold with something to know of them, which is news as often as it changes', () => {
    const checks = new Checks(['a']);
    assert.deepEqual(
      ['x', 'x', 'y'].map((note) => checks.note('a', note)),
      [true, false, true],
    );
    assert.equal(checks.ok, true);
    assert.equal(checks.report('a', 'y'), true);
    assert.equal(checks.ok, false);
    assert.deepEqual(checks.results(), [{ name: 'a', reason: 'y' }]);
  });
});
