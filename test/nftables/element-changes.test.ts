import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { ElementChanges, type Elements } from '../../src/nftables/element-changes.ts';

const texts = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 8 });

describe('changed elements', () => {
  it('are told as by a comparison, whether it is known how a set came from the other or not', () => {
    let known = 0;
    fc.assert(
      fc.property(texts, fc.array(texts, { maxLength: 4 }), texts, (first, turns, other) => {
        const changes = new ElementChanges();
        // A set, some changed copies of it, one after another, and sets that came from nowhere.
        const all: Elements[] = [new Set(first)];
        for (const turn of turns) {
          const before = all.at(-1)!;
          const [removed, added] = [turn.filter((each) => before.has(each)), turn.filter((each) => !before.has(each))];
          all.push(changes.apply(before, { added, removed }));
        }
        all.push(new Set(other), new Set(all.at(-1)));
        for (const a of all) {
          for (const b of all) {
            const [gone, come] = [[...a].filter((each) => !b.has(each)), [...b].filter((each) => !a.has(each))];
            const { added, removed } = changes.between(a, b);
            assert.deepEqual([[...added].sort(), [...removed].sort()], [come.sort(), gone.sort()]);
            assert.equal(changes.areSame(a, b), gone.length + come.length === 0);
            if (gone.length > 0) known++;
          }
        }
      }),
    );
    assert.ok(known > 100);
  });

  it('leave the set as it was, and are the set where nothing changes', () => {
    const before = new Set(['a', 'b']);
    const changes = new ElementChanges();
    assert.deepEqual([...changes.apply(before, { added: ['c'], removed: ['a'] })], ['b', 'c']);
    assert.deepEqual([...before], ['a', 'b']);
    assert.equal(changes.apply(before, { added: [], removed: [] }), before);
  });
});
