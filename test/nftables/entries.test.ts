import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { entriesOf } from '../../src/nftables/entries.ts';

const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 4 });

describe('the objects of a listing', () => {
  it('are those of its list, whatever stands in their texts', () => {
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 1, '\t'), (nftables, space) => {
        const text = JSON.stringify({ nftables }, undefined, space);
        assert.deepEqual([...entriesOf(text)], (JSON.parse(text) as { nftables: unknown }).nftables);
      }),
      { numRuns: 1000 },
    );
  });

  it('are none of a text that has been cut short', () => {
    const text = JSON.stringify({ nftables: [{ a: 'x"}]}' }, { b: [{ c: 1 }] }] });
    for (let length = 0; length < text.length; length++) {
      assert.throws(() => [...entriesOf(text.slice(0, length))], SyntaxError, text.slice(0, length));
    }
    assert.equal([...entriesOf(`${text}\n`)].length, 2);
  });

  for (const text of [
    '{"nftables": [1, {"a": 1}]}',
    '{"nftables": [{"a": }]}',
    '[{"a": 1}]',
    '{"nftables": [{}]} {}',
  ]) {
    it(`are none of ${text}`, () => {
      assert.throws(() => [...entriesOf(text)], SyntaxError);
    });
  }
});
