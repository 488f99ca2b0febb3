import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { takeTurns } from '../../src/lib/take-turns.ts';

describe('taking turns', () => {
  const choose = (text: string, most: number): string => takeTurns(text.split(' '), (word) => word[0]!, most).join(' ');

  it('gives each group one before any has two', () => {
    assert.equal(choose('a1 a2 a3 a4 b1 c1 c2', 5), 'a1 b1 c1 a2 c2');
  });

  it('goes on with those that have more', () => {
    assert.equal(choose('a1 a2 a3 b1', 9), 'a1 b1 a2 a3');
  });

  it('takes no more than it may', () => {
    assert.equal(choose('a1 b1 c1', 2), 'a1 b1');
    assert.equal(choose('a1', 0), '');
  });
});
