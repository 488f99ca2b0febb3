import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { findCode } from '../../scripts/find-code.ts';
import { mutants } from '../mutants.ts';

const root = resolve(import.meta.dirname, '../..');

describe('finding code', () => {
  const found = (source: string, wanted: string): string[] =>
    findCode(source, wanted).map(({ start, end }) => source.slice(start, end));

  it('does not depend on line breaks, trailing commas and comments', () => {
    const long = 'f(\n  a, // why\n  "b // c",\n)';
    assert.deepEqual(found(`x; ${long};`, 'f(a, "b // c")'), [long]);
    assert.deepEqual(found('x; f(a, "b // c");', long), ['f(a, "b // c")']);
  });

  it('takes the comma of a list item with it, so that what replaces it may have one', () => {
    assert.deepEqual(found('[a, b, c]', 'b,'), ['b,']);
    assert.deepEqual(found('[\n  a,\n  b,\n]', 'b,'), ['b,']);
    assert.deepEqual(found('[a, b]', 'b,'), ['b']);
  });

  it('finds every place, and none of other code', () => {
    assert.deepEqual(found('a.b(); /* a.b() */ a.b ();', 'a.b()'), ['a.b()', 'a.b ()']);
    assert.deepEqual(found('a.c(); // a.b()', 'a.b()'), []);
  });

  it('finds the line of every mutant just once', () => {
    const sources = new Map<string, string>();
    const wrong = mutants.filter(({ file, find }) => {
      if (!sources.has(file)) sources.set(file, readFileSync(join(root, file), 'utf8'));
      return findCode(sources.get(file)!, find).length !== 1;
    });
    assert.deepEqual(
      wrong.map(({ name, file, find }) => `${name}: ${file}: ${find}`),
      [],
    );
  });
});
