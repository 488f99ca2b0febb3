import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { countWaiting, latenciesOf, type Sent } from '../../bench/changes/churn.ts';
import { addressKey, readCommit } from '../../bench/kernel/commit-watch.ts';

const ipv4 = addressKey('10.128.0.2');
const ipv6 = addressKey('fd00:10:244::2');
const sent = (way: Sent['way'], ...addresses: readonly string[]): Sent => ({ event: 0, way, addresses });

describe('commits of the kernel', () => {
  it('have the addresses of added and of removed elements, and a time', () => {
    const line = `+${ipv4} -${ipv6} +${ipv4} 2500000`;
    assert.deepEqual(readCommit(line), { at: 2.5, added: new Set([ipv4]), removed: new Set([ipv6]) });
    assert.deepEqual(readCommit('1000000'), { at: 1, added: new Set(), removed: new Set() });
  });

  it('write addresses as the kernel does', () => {
    assert.deepEqual([ipv4, ipv6], ['0a800002', 'fd000010024400000000000000000002']);
  });
});

describe('the latency of an event under churn', () => {
  const commits = [
    { at: 5, added: new Set([ipv4]), removed: new Set<string>() },
    { at: 12, added: new Set([ipv4]), removed: new Set([ipv6]) },
    { at: 14, added: new Set([ipv6]), removed: new Set([ipv4]) },
  ];

  it('ends with the first commit after it that has its address, in the same direction', () => {
    assert.deepEqual(latenciesOf([sent('addition', ipv4)], [10], commits), [2]);
    assert.deepEqual(latenciesOf([sent('removal', ipv4)], [10], commits), [4]);
    assert.deepEqual(latenciesOf([sent('addition', ipv4)], [4], commits), [1]);
  });

  it('ends with the last of both families', () => {
    assert.deepEqual(latenciesOf([sent('addition', ipv4, ipv6)], [10], commits), [4]);
  });

  it('counts as waiting if it ends after the churn, or never', () => {
    assert.equal(countWaiting([10, 10, 12, 13], [4, 5, 2, undefined], 14), 2);
  });

  it('has no end if an address is missing', () => {
    assert.deepEqual(latenciesOf([sent('removal', ipv4, ipv6)], [13], commits), [undefined]);
  });
});
