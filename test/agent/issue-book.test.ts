import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { IssueBook } from '../../src/agent/issue-book.ts';
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

describe('IssueBook', () => {
  it('tells each case once, until it is gone (S9.11)', () => {
    const book = new IssueBook();
    assert.deepEqual(paths(book.receive(upsertOf(badCidr))), ['spec.ingress[0].from[0].ipBlock.cidr']);
    assert.deepEqual(paths(book.receive(upsertOf(badCidr))), []);
    assert.deepEqual(paths(book.receive(upsertOf(badPort))), ['spec.ingress[0].ports[0].port']);
    book.receive(upsertOf(good));
    assert.equal(book.receive(upsertOf(badCidr)).length, 1);
    book.receive(removeOf(badCidr));
    assert.equal(book.receive(upsertOf(badCidr)).length, 1);
    for (const event of syncedEvents()) assert.deepEqual(book.receive(event), []);
  });

  it('does not take one object for another', () => {
    const book = new IssueBook();
    book.receive(upsertOf(badCidr));
    const twin = { ...badCidr, metadata: { ...badCidr.metadata, namespace: 'y' } };
    assert.equal(book.receive(upsertOf(twin)).length, 1);
  });

  it('counts what is wrong now, by code and effect', () => {
    const book = new IssueBook();
    book.receive(upsertOf(badPort));
    book.set('addresses of x/a', [
      { code: 'node-address', path: 'status.podIPs', message: 'one', effect: 'ignored' },
      { code: 'node-address', path: 'status.podIPs', message: 'two', effect: 'ignored' },
    ]);
    assert.deepEqual(book.counts(), [
      { code: 'invalid-cidr', effect: 'failed-closed', count: 1 },
      { code: 'invalid-port', effect: 'failed-closed', count: 1 },
      { code: 'node-address', effect: 'ignored', count: 2 },
    ]);
    book.retain((name) => !name.startsWith('addresses of '));
    book.receive(upsertOf(badCidr));
    assert.deepEqual(book.counts(), [{ code: 'invalid-cidr', effect: 'failed-closed', count: 1 }]);
    book.receive(removeOf(badCidr));
    assert.deepEqual(book.counts(), []);
  });
});
