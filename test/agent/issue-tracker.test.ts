import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { IssueTracker } from '../../src/agent/issue-tracker.ts';
import type { Issue } from '../../src/model/issue.ts';
import { policy } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf } from '../support/pipeline.ts';

const badCidr = policy('x/p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }] }] });
const badPort = policy('x/p', {
  podSelector: {},
  ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }], ports: [{ port: 0 }] }],
});
const good = policy('x/p', { podSelector: {} });

const paths = (issues: readonly Issue[]) => issues.map(({ path }) => path);

describe('IssueTracker', () => {
  it('tells each case once, until it is gone (S9.11)', () => {
    const tracker = new IssueTracker();
    assert.deepEqual(paths(tracker.receive(upsertOf(badCidr))), ['spec.ingress[0].from[0].ipBlock.cidr']);
    assert.deepEqual(paths(tracker.receive(upsertOf(badCidr))), []);
    assert.deepEqual(paths(tracker.receive(upsertOf(badPort))), ['spec.ingress[0].ports[0].port']);
    tracker.receive(upsertOf(good));
    assert.equal(tracker.receive(upsertOf(badCidr)).length, 1);
    tracker.receive(removeOf(badCidr));
    assert.equal(tracker.receive(upsertOf(badCidr)).length, 1);
    for (const event of syncedEvents()) assert.deepEqual(tracker.receive(event), []);
  });

  it('does not take one object for another', () => {
    const tracker = new IssueTracker();
    tracker.receive(upsertOf(badCidr));
    const twin = { ...badCidr, metadata: { ...badCidr.metadata, namespace: 'y' } };
    assert.equal(tracker.receive(upsertOf(twin)).length, 1);
  });

  it('counts what is wrong now, by code and effect', () => {
    const tracker = new IssueTracker();
    tracker.receive(upsertOf(badPort));
    tracker.set('addresses of x/a', [
      { code: 'node-address', path: 'status.podIPs', message: 'one', effect: 'ignored' },
      { code: 'node-address', path: 'status.podIPs', message: 'two', effect: 'ignored' },
    ]);
    assert.deepEqual(tracker.counts(), [
      { code: 'invalid-cidr', effect: 'failed-closed', count: 1 },
      { code: 'invalid-port', effect: 'failed-closed', count: 1 },
      { code: 'node-address', effect: 'ignored', count: 2 },
    ]);
    tracker.retain((name) => !name.startsWith('addresses of '));
    tracker.receive(upsertOf(badCidr));
    assert.deepEqual(tracker.counts(), [{ code: 'invalid-cidr', effect: 'failed-closed', count: 1 }]);
    tracker.receive(removeOf(badCidr));
    assert.deepEqual(tracker.counts(), []);
  });
});
