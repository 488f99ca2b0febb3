import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ChangeBook } from '../../src/agent/change-book.ts';

describe('ChangeBook', () => {
  let book: ChangeBook;
  beforeEach(() => {
    book = new ChangeBook();
    book.looking();
  });

  function write(isDone = true): void {
    book.writing();
    book.wrote(isDone);
  }

  it('cannot tell before the first look', () => {
    assert.equal(new ChangeBook().judge(0), 'unclear');
    assert.equal(book.judge(0), 'fine');
  });

  it('takes no write of ours for foreign, told of before or after its end', () => {
    write();
    assert.equal(book.judge(0), 'wait');
    book.told('ours');
    assert.equal(book.judge(1), 'fine');
    book.writing();
    book.told('ours');
    assert.equal(book.judge(2), 'wait');
    book.wrote(true);
    assert.equal(book.judge(3), 'fine');
  });

  it('takes what others do to their tables for nothing', () => {
    write();
    for (const each of ['others', 'ours', 'others'] as const) book.told(each);
    assert.equal(book.judge(0), 'fine');
  });

  it('finds one more than ours, before, beside and after', () => {
    book.told('ours');
    assert.equal(book.judge(0), 'foreign');
    write();
    book.told('ours');
    assert.equal(book.judge(1), 'foreign');
    book.looking();
    assert.equal(book.judge(2), 'fine');
    book.writing();
    book.told('ours');
    assert.equal(book.judge(3), 'wait');
    book.told('ours');
    assert.equal(book.judge(4), 'foreign');
  });

  it('finds a foreign one that was told of in the place of ours, once ours is', () => {
    write();
    book.told('ours');
    assert.equal(book.judge(0), 'fine');
    book.told('ours');
    assert.equal(book.judge(1), 'foreign');
  });

  it('takes what nft cannot name for ours only as far as there are writes of ours', () => {
    write();
    book.told('unnamed');
    assert.equal(book.judge(0), 'fine');
    write();
    book.told('unnamed');
    book.told('ours');
    assert.equal(book.judge(1), 'unnamed');
    book.looking();
    book.told('unnamed');
    assert.equal(book.judge(2), 'unnamed');
  });

  it('cannot tell where something was lost or missed, or a write failed, until the next look', () => {
    const losses = [() => book.told('lost'), () => book.missed(), () => write(false)];
    for (const lose of losses) {
      lose();
      assert.equal(book.judge(0), 'unclear');
      assert.equal(book.judge(1), 'unclear');
      book.looking();
      assert.equal(book.judge(2), 'fine');
    }
  });

  it('does not wait for ever for a write of ours that nft tells nothing of', () => {
    write();
    assert.equal(book.judge(0), 'wait');
    assert.equal(book.judge(2000), 'wait');
    assert.equal(book.judge(2001), 'unclear');
    book.looking();
    write();
    assert.equal(book.judge(3000), 'wait');
  });
});
