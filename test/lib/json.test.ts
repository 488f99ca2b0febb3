import { deepEqual, equal } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { isJsonObject, listAt, objectAt, textAt } from '../../src/lib/json.ts';

describe('reading JSON of unknown shape', () => {
  const root: unknown = JSON.parse('{"a": {"b": "text", "c": [1], "d": null}, "e": []}');
  it('finds what is there', () => {
    equal(textAt(root, 'a', 'b'), 'text');
    deepEqual(listAt(root, 'a', 'c'), [1]);
    deepEqual(objectAt(root, 'a'), { b: 'text', c: [1], d: null });
    equal(objectAt(root), root);
  });
  it('gives nothing where something else stands', () => {
    for (const path of [
      ['x'],
      ['a', 'b', 'length'],
      ['a', 'd', 'x'],
      ['e', '0'],
      ['constructor'],
      ['a', 'constructor', 'name'],
    ]) {
      deepEqual(
        [textAt(root, ...path), listAt(root, ...path), objectAt(root, ...path)],
        [undefined, [], {}],
        path.join('.'),
      );
    }
  });
  it('tells mappings from lists and null', () => {
    deepEqual([{}, [], null, 'x', undefined].map(isJsonObject), [true, false, false, false, false]);
  });
});
