import { equal } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { isSameValue } from '../../src/impact/same-value.ts';
import { isJsonObject } from '../../src/lib/json.ts';
import { compareText } from '../../src/lib/sort.ts';

/** The same text for equal values. */
function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (!isJsonObject(each)) return each;
    const entries = Object.entries(each).filter(([, field]) => field !== null && field !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => compareText(a, b)));
  });
}

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(null, undefined, 0, 1, '', 'a', true),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'toString'), tie('value'), { maxKeys: 2 }),
  ),
}));

/** An equal value, with its keys in another order and one more that is missing. */
function rewrite(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(rewrite);
  if (!isJsonObject(given)) return given;
  const entries = Object.entries(given).map(([key, each]) => [key, rewrite(each)] as const);
  return Object.fromEntries([['new', null], ...entries.toReversed()]);
}

const pairs = fc.oneof(
  fc.tuple(value, value),
  value.map((each) => [each, rewrite(each)] as const),
);

describe('isSameValue', () => {
  it('agrees with a comparison of canonical texts', () => {
    let same = 0;
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const [x, y] = [{ a }, { a: b }];
        const expected = canonicalText(x) === canonicalText(y);
        if (expected) same++;
        equal(isSameValue(x, y), expected);
      }),
      { numRuns: 2000 },
    );
    equal(same > 500 && same < 1900, true, `${same} of 2000 are equal`);
  });

  it('compares the members of sets', () => {
    equal(isSameValue(new Set(['a']), new Set(['a'])), true);
    equal(isSameValue(new Set(['a']), new Set(['b'])), false);
    equal(isSameValue(new Set(), {}), false);
  });

  it('does not look into what is identical on both sides', () => {
    const shared = {
      get deep(): never {
        throw new Error('looked into it');
      },
    };
    equal(isSameValue({ a: 1, shared }, { a: 1, shared }), true);
  });
});
