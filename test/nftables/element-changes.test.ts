import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { changedElements, elementsMissing, sameElements, type Elements } from '../../src/nftables/element-changes.ts';

const texts = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 8 });

/** A set, some changed copies of it, one after another, and sets that came from nowhere. */
const sets = fc.tuple(texts, fc.array(texts, { maxLength: 4 }), texts).map(([first, changes, other]): Elements[] => {
  const all: Elements[] = [new Set(first)];
  for (const change of changes) {
    const before = all.at(-1)!;
    const [removed, added] = [change.filter((each) => before.has(each)), change.filter((each) => !before.has(each))];
    all.push(changedElements(before, added, removed));
  }
  return [...all, new Set(other), new Set(all.at(-1))];
});

describe('changed elements', () => {
  it('are told as by a comparison, whether it is known how a set came from the other or not', () => {
    let known = 0;
    fc.assert(
      fc.property(sets, (all) => {
        for (const a of all) {
          for (const b of all) {
            const missing = [...a].filter((each) => !b.has(each));
            assert.deepEqual([...elementsMissing(a, b)].sort(), missing.sort());
            assert.equal(sameElements(a, b), a.size === b.size && missing.length === 0);
            if (missing.length > 0) known++;
          }
        }
      }),
    );
    assert.ok(known > 100);
  });

  it('leave the set as it was, and are the set where nothing changes', () => {
    const before = new Set(['a', 'b']);
    assert.deepEqual([...changedElements(before, ['c'], ['a'])], ['b', 'c']);
    assert.deepEqual([...before], ['a', 'b']);
    assert.equal(changedElements(before, [], []), before);
  });
});
