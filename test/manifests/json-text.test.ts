import { deepEqual, equal } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { readDocuments } from '../../src/manifests/documents.ts';
import { readJson } from '../../src/manifests/json-text.ts';

/** A comment makes the text YAML. */
function asYaml(json: string): unknown {
  const [document] = readDocuments(`# YAML\n${json}`);
  return document && 'value' in document ? document.value : document;
}

describe('JSON manifests', () => {
  it('have the values that the YAML parser reads', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 })),
        fc.boolean(),
        (value, indented) => {
          const text = JSON.stringify(value, undefined, indented ? 4 : undefined);
          deepEqual(readDocuments(text), [{ index: 1, line: 1, value: asYaml(text) }]);
        },
      ),
    );
  });

  it('are not given to the YAML parser, which stops at a depth of 100', () => {
    const text = `{"a": ${'['.repeat(200)}${']'.repeat(200)}}`;
    equal('value' in readDocuments(text)[0]!, true);
    equal('value' in readDocuments(`# YAML\n${text}`)[0]!, false);
  });

  it('start at the line of the brace', () => equal(readDocuments('\n \r\n\t{}')[0]!.line, 3));

  it('with a key twice in one mapping are refused, as by the YAML parser', () => {
    for (const text of ['{"a": 1, "a": 2}', '{"b": [{"a": {}, "c": "\\":", "a": {}}]}', '{"\\u0061": 1, "a": 1}']) {
      equal(readJson(text), undefined, text);
      deepEqual(readDocuments(text), [{ index: 1, line: 1, error: 'duplicated mapping key' }]);
    }
  });

  it('may have colons, quotes and backslashes in their strings', () => {
    const value = { ':': '::', '"a":': ['\\', '\\":', { ':"': ':' }], __proto: { x: 1 } };
    deepEqual(readJson(JSON.stringify(value)), value);
  });

  it('are one object each: everything else is YAML', () => {
    for (const text of ['', '7', '[]', '{a: 1}', '{"a": 1}\n---\n{"b": 2}', '# text\n{"a": 1}']) {
      equal(readJson(text), undefined, text);
    }
  });
});
