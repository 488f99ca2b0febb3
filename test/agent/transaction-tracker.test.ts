import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { TransactionTracker } from '../../src/agent/transaction-tracker.ts';

describe('TransactionTracker', () => {
  let tracker: TransactionTracker;
  beforeEach(() => {
    tracker = new TransactionTracker();
    tracker.beginRead();
  });

  function write(isDone = true): void {
    tracker.beginWrite();
    tracker.endWrite(isDone);
  }

  it('cannot tell before the first look', () => {
    assert.equal(new TransactionTracker().judge(0), 'unclear');
    assert.equal(tracker.judge(0), 'fine');
  });

  it('takes no write of ours for foreign, told of before or after its end', () => {
    write();
    assert.equal(tracker.judge(0), 'wait');
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'fine');
    tracker.beginWrite();
    tracker.reported('ours');
    assert.equal(tracker.judge(2), 'wait');
    tracker.endWrite(true);
    assert.equal(tracker.judge(3), 'fine');
  });

  it('takes what others do to their tables for nothing', () => {
    write();
    for (const each of ['others', 'ours', 'others'] as const) tracker.reported(each);
    assert.equal(tracker.judge(0), 'fine');
  });

  it('finds one more than ours, before, beside and after', () => {
    tracker.reported('ours');
    assert.equal(tracker.judge(0), 'foreign');
    write();
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'foreign');
    tracker.beginRead();
    assert.equal(tracker.judge(2), 'fine');
    tracker.beginWrite();
    tracker.reported('ours');
    assert.equal(tracker.judge(3), 'wait');
    tracker.reported('ours');
    assert.equal(tracker.judge(4), 'foreign');
  });

  it('finds a foreign one that was told of in the place of ours, once ours is', () => {
    write();
    tracker.reported('ours');
    assert.equal(tracker.judge(0), 'fine');
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'foreign');
  });

  it('takes what nft cannot name for ours only as far as there are writes of ours', () => {
    write();
    tracker.reported('unnamed');
    assert.equal(tracker.judge(0), 'fine');
    write();
    tracker.reported('unnamed');
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'unnamed');
    tracker.beginRead();
    tracker.reported('unnamed');
    assert.equal(tracker.judge(2), 'unnamed');
  });

  it('cannot tell where something was lost or missed, or a write failed, until the next look', () => {
    const losses = [() => tracker.reported('lost'), () => tracker.missed(), () => write(false)];
    for (const lose of losses) {
      lose();
      assert.equal(tracker.judge(0), 'unclear');
      assert.equal(tracker.judge(1), 'unclear');
      tracker.beginRead();
      assert.equal(tracker.judge(2), 'fine');
    }
  });

  it('does not count a write of ours as foreign if nft reports it after the next read began', () => {
    for (const reported of ['ours', 'unnamed'] as const) {
      write();
      write();
      tracker.reported(reported);
      tracker.beginRead();
      assert.equal(tracker.judge(0), 'wait');
      tracker.reported(reported);
      assert.equal(tracker.judge(1), 'fine');
    }
    tracker.reported('ours');
    assert.equal(tracker.judge(2), 'foreign');
  });

  it('finds a foreign one among reports that are late', () => {
    write();
    tracker.beginRead();
    tracker.reported('ours');
    assert.equal(tracker.judge(0), 'fine');
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'foreign');
    tracker.beginRead();
    write();
    tracker.beginRead();
    assert.equal(tracker.judge(2), 'wait');
    // nft never reports the write. A foreign one may come in its place, so the tables are read again.
    assert.equal(tracker.judge(2003), 'unclear');
    tracker.beginRead();
    assert.equal(tracker.judge(2004), 'fine');
  });

  it('does not let a write whose report was lost hide a foreign one', () => {
    write();
    tracker.reported('lost');
    tracker.beginRead();
    assert.equal(tracker.judge(0), 'fine');
    tracker.reported('ours');
    assert.equal(tracker.judge(1), 'foreign');
    tracker.beginRead();
    tracker.beginWrite();
    tracker.missed();
    tracker.endWrite(true);
    tracker.beginRead();
    tracker.reported('ours');
    assert.equal(tracker.judge(2), 'foreign');
  });

  it('does not wait for ever for a write of ours that nft tells nothing of', () => {
    write();
    assert.equal(tracker.judge(0), 'wait');
    assert.equal(tracker.judge(2000), 'wait');
    assert.equal(tracker.judge(2001), 'unclear');
    tracker.beginRead();
    write();
    assert.equal(tracker.judge(3000), 'wait');
  });
});
