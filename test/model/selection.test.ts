import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { canonicalSelector, groupIdOf, matchesSelector } from '../../src/model/selection.ts';
import type { Requirement, Selection, Selector } from '../../src/model/policy.ts';

const term = (key: string, operator: Requirement['operator'], ...values: string[]): Requirement => ({
  key,
  operator,
  values,
});

describe('matchesSelector (S3.5)', () => {
  it('is as the table says', () => {
    const labels = { env: 'dev', empty: '' };
    const cases: [Selector, boolean][] = [
      [[], true],
      [[term('env', 'In', 'dev', 'test')], true],
      [[term('env', 'In', 'prod')], false],
      [[term('env', 'In', 'Dev')], false],
      [[term('env', 'In')], false],
      [[term('tier', 'In', '')], false],
      [[term('empty', 'In', '')], true],
      [[term('env', 'NotIn', 'prod')], true],
      [[term('env', 'NotIn', 'dev')], false],
      [[term('tier', 'NotIn', 'dev')], true],
      [[term('env', 'NotIn')], true],
      [[term('empty', 'Exists')], true],
      [[term('tier', 'Exists')], false],
      [[term('tier', 'DoesNotExist')], true],
      [[term('empty', 'DoesNotExist')], false],
      [[term('env', 'In', 'dev'), term('env', 'NotIn', 'dev')], false],
      [[term('env', 'In', 'dev'), term('tier', 'Exists')], false],
      [[term('toString', 'Exists')], false],
      [[term('toString', 'NotIn', 'x')], true],
      [[term('env', 'NotIn', '!not a label value!')], true],
    ];
    for (const [selector, matches] of cases)
      assert.equal(matchesSelector(selector, labels), matches, JSON.stringify(selector));
  });
});

const word = fc.constantFrom('a', 'b', '', '&', '"', ']', 'name x', 'all');
const selectors = fc.array(
  fc.record({
    key: word,
    operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
    values: fc.array(word, { maxLength: 3 }),
  }),
  { maxLength: 3 },
) as fc.Arbitrary<Requirement[]>;

describe('canonicalSelector', () => {
  it('is the same for the same terms in any order, and for no others', () =>
    fc.assert(
      fc.property(selectors, selectors, (one, other) => {
        const shuffled = one
          .toReversed()
          .map((each) => ({ ...each, values: [...each.values, ...each.values].reverse() }));
        assert.equal(canonicalSelector(shuffled), canonicalSelector(one));
        assert.equal(canonicalSelector(one) === canonicalSelector(other), plain(one) === plain(other));
      }),
      { numRuns: 1000 },
    ));
});

describe('groupIdOf', () => {
  it('tells selections apart by every part', () => {
    const pods = [term('a', 'In', 'b')];
    const selections: Selection[] = [
      { namespaces: 'all', pods },
      { namespaces: { name: 'all' }, pods },
      { namespaces: { selector: [] }, pods },
      { namespaces: { selector: pods }, pods: [] },
      { namespaces: { name: 'x' }, pods },
      { namespaces: { name: 'y' }, pods },
      { namespaces: { name: 'x' }, pods: [] },
      { namespaces: 'all', pods: [], declares: { name: 'web', protocol: 'TCP' } },
      { namespaces: 'all', pods: [], declares: { name: 'web', protocol: 'UDP' } },
      { namespaces: 'all', pods: [], declares: { name: 'api', protocol: 'TCP' } },
    ];
    assert.equal(new Set(selections.map(groupIdOf)).size, selections.length);
  });
});

/** Terms and values as sets, by another way. */
function plain(selector: Selector): string {
  const terms = selector.map(({ key, operator, values }) =>
    [key, operator, ...[...new Set(values)].sort()].map(encodeURIComponent).join('/'),
  );
  return [...new Set(terms)].sort().join('?');
}
