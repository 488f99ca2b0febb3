import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { takeTurns } from '../../src/lib/take-turns.ts';

describe('taking turns', () => {
  /** Groups are the words that begin alike. */
  const choose = (text: string, most: number, first?: number): string => {
    const groups = [...Map.groupBy(text.split(' '), (word) => word[0]).values()];
    return takeTurns(groups, most, first)
      .map((group) => group.join('+'))
      .join(' ');
  };

  it('gives each group one before any has two', () => {
    assert.equal(choose('a1 a2 a3 a4 b1 c1 c2', 5), 'a1+a2 b1 c1+c2');
  });

  it('goes on with those that have more', () => {
    assert.equal(choose('a1 a2 a3 b1', 9), 'a1+a2+a3 b1');
  });

  it('takes no more than it may', () => {
    assert.equal(choose('a1 b1 c1', 2), 'a1 b1');
    assert.equal(choose('a1', 0), '');
  });

  it('begins with another group when it is told to, so that in the end each has its turn', () => {
    assert.equal(choose('a1 b1 c1 d1 e1', 2, 0), 'a1 b1');
    assert.equal(choose('a1 b1 c1 d1 e1', 2, 2), 'c1 d1');
    assert.equal(choose('a1 b1 c1 d1 e1', 2, 4), 'e1 a1');
    assert.equal(choose('a1 b1', 2, 7), 'b1 a1');
  });

  it('takes nothing of nothing', () => assert.deepEqual(takeTurns([], 5, 3), []));
});
