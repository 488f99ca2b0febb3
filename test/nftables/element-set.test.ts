import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { changeBetween, ElementSet, isEmptyChange, withChange } from '../../src/nftables/element-set.ts';
import { countWholeReads } from '../support/whole-reads.ts';
import type { Elements } from '../../src/nftables/ruleset.ts';

const texts = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 8 });
/** Which version changes, and the elements that change their membership. */
const turns = fc.array(fc.record({ of: fc.nat(), toggled: texts, isRead: fc.boolean() }), { maxLength: 8 });

function toggle(elements: Elements, toggled: readonly string[]): Elements {
  const [removed, added] = [
    toggled.filter((each) => elements.has(each)),
    toggled.filter((each) => !elements.has(each)),
  ];
  return withChange(elements, { added, removed });
}

describe('sets of elements', () => {
  it('keep their content, however many versions are made from each of them', () => {
    let branches = 0;
    fc.assert(
      fc.property(texts, turns, fc.boolean(), (first, all, isPlain) => {
        const versions: { readonly elements: Elements; readonly content: ReadonlySet<string> }[] = [
          { elements: isPlain ? new Set(first) : new ElementSet(new Set(first)), content: new Set(first) },
        ];
        for (const { of, toggled, isRead } of all) {
          const index = of % versions.length;
          if (index < versions.length - 1) branches++;
          const { elements, content } = versions[index]!;
          versions.push({
            elements: toggle(elements, toggled),
            content: content.symmetricDifference(new Set(toggled)),
          });
          for (const each of isRead ? versions : []) assert.deepEqual(new Set(each.elements), each.content);
        }
        for (const { elements, content } of versions) {
          assert.equal(elements.size, content.size);
          for (let element = 0; element <= 12; element++) {
            assert.equal(elements.has(String(element)), content.has(String(element)));
          }
        }
        for (const { elements, content } of versions) assert.deepEqual(new Set(elements.keys()), content);
      }),
    );
    assert.ok(branches > 100);
  });

  it('differ as by a comparison, whether it is known how one came from the other or not', () => {
    let known = 0;
    fc.assert(
      fc.property(texts, turns, texts, (first, all, other) => {
        const versions: Elements[] = [new ElementSet(new Set(first))];
        for (const { of, toggled } of all) versions.push(toggle(versions[of % versions.length]!, toggled));
        versions.push(new Set(other), new ElementSet(new Set(versions.at(-1))));
        for (const a of versions) {
          for (const b of versions) {
            const [gone, come] = [[...a].filter((each) => !b.has(each)), [...b].filter((each) => !a.has(each))];
            const change = changeBetween(a, b);
            assert.deepEqual([[...change.added].sort(), [...change.removed].sort()], [come.sort(), gone.sort()]);
            assert.equal(isEmptyChange(change), gone.length + come.length === 0);
            if (gone.length > 0 && a instanceof ElementSet && a.changeTo(b)) known++;
          }
        }
      }),
    );
    assert.ok(known > 100, `${known} differences known`);
  });

  it('are read only if the difference is not known', () => {
    const before = new ElementSet(new Set(Array.from({ length: 1000 }, (_, index) => String(index))));
    const between = before.with({ added: ['a'], removed: ['1'] });
    const after = between.with({ added: ['1'], removed: ['2'] });
    const { result, elements } = countWholeReads(() => changeBetween(before, after));
    assert.deepEqual(result, { added: ['a'], removed: ['2'] });
    assert.equal(elements, 0);
    assert.equal(countWholeReads(() => changeBetween(after, before)).elements, 3000, 'both, and a copy of the old one');
    assert.equal(countWholeReads(() => before.with({ added: ['b'], removed: [] })).elements, 1000, 'a copy');
  });

  it('of an old version do not keep all changes since then', () => {
    const first = new ElementSet(new Set(Array.from({ length: 100 }, (_, index) => String(index))));
    let [last, known] = [first, 0];
    for (; known < 1000 && first.changeTo(last); known++) last = toggle(last, ['new']) as ElementSet;
    assert.ok(known > 100 && known < 500, `${known} changes known`);
    assert.equal(last.has('new'), known % 2 === 1);
    assert.equal(first.size, 100);
    assert.equal(first.has('new'), false);
  });

  it('are the same object if nothing changes', () => {
    for (const before of [new Set(['a', 'b']), new ElementSet(new Set(['a', 'b']))]) {
      assert.equal(withChange(before, { added: [], removed: [] }), before);
    }
  });

  it('are told apart by a comparison of objects', () => {
    const [a, b] = ['a', 'b'].map((element) => new ElementSet(new Set([element])));
    assert.notDeepEqual(a, b);
    assert.deepEqual(a, new ElementSet(new Set(['a'])));
  });
});
