import fc from 'fast-check';
import type { Chain, Element, NftSet, Ruleset, Table, TableFamily, VerdictMap } from '../../src/nftables/ruleset.ts';
import { catchAll, hooksOf, tableFamilies } from '../../src/nftables/ruleset.ts';
import { makeTable } from './make-table.ts';
import { elementsOf, header } from './random-element.ts';
import { elementVerdict, optional, rule } from './random-rule.ts';

/** Rulesets in canonical form, with all of our language in them, that the kernel takes. Any of our tables may be missing. */

export const setNames = ['s', 's-a/b.c', 'S_1', '.s', `s-${'x'.repeat(20)}`];
export const mapNames = ['m', 'm-4/x', 'egress4-r'];
/** A chain refers only to those before it; a map only to the first two, which look up in no map. */
export const chainNames = ['c0', 'c-1/a.b', 'c2', 'c3', `c-${'y'.repeat(20)}`];

const contents: fc.Arbitrary<Omit<NftSet, 'name'>> = header.chain((each) =>
  elementsOf(each).map((elements) => ({ ...each, elements: new Set(elements) })),
);
const records: fc.Arbitrary<Omit<NftSet, 'name'>> = fc
  .tuple(header, fc.constantFrom({ seconds: 60, size: 4096 }, { seconds: 7, size: 1 }))
  .map(([{ key }, each]) => ({ key, interval: false, elements: new Set(), records: each }));

function sets(names: readonly string[]): fc.Arbitrary<NftSet[]> {
  const body = fc.oneof({ arbitrary: contents, weight: 3 }, { arbitrary: records, weight: 1 });
  return fc.tuple(...names.map((name) => body.map((each): NftSet => ({ name, ...each }))));
}

function maps(names: readonly string[], chains: readonly string[]): fc.Arbitrary<VerdictMap[]> {
  return fc.tuple(
    ...names.map((name) =>
      header.chain((each) =>
        withCatchAll(each.interval, elementsOf(each)).chain((elements) =>
          fc.tuple(...elements.map(() => elementVerdict(chains))).map((verdicts) => ({
            name,
            ...each,
            elements: new Map(elements.map((text, i) => [text, verdicts[i]!])),
          })),
        ),
      ),
    ),
  );
}

/** Of a map without intervals also what all others have. */
function withCatchAll(interval: boolean, elements: fc.Arbitrary<Element[]>): fc.Arbitrary<Element[]> {
  if (interval) return elements;
  return fc.tuple(elements, fc.boolean()).map(([own, hasOthers]) => (hasOthers ? [...own, catchAll] : own));
}

function tables(family: TableFamily): fc.Arbitrary<Table> {
  const names = fc.record({ set: fc.subarray(setNames), map: fc.subarray(mapNames), chain: fc.subarray(chainNames) });
  return names.chain(({ set, map, chain }) => {
    const leaves = chain.filter((name) => chainNames.indexOf(name) < 2);
    return fc.tuple(sets(set), maps(map, leaves)).chain(([someSets, someMaps]) => {
      const rules = (usableMaps: readonly VerdictMap[], chains: readonly string[]) =>
        fc.array(rule({ family, sets: someSets, maps: usableMaps, chains }), { maxLength: 4 });
      const plain = chain.map((name, i) =>
        rules(leaves.includes(name) ? [] : someMaps, chain.slice(0, i)).map((each): Chain => ({ name, rules: each })),
      );
      const base = [...hooksOf[family]].map((hook) =>
        fc
          .tuple(fc.constantFrom(-10, -300, 0, 17), rules(someMaps, chain))
          .map(([priority, each]): Chain => ({ name: hook, base: { hook, priority }, rules: each })),
      );
      return fc.tuple(...plain, ...base).map((chains) => makeTable(someSets, someMaps, chains));
    });
  });
}

export const rulesets: fc.Arbitrary<Ruleset> = fc
  .tuple(...tableFamilies.map((family) => optional(tables(family).map((table) => [family, table] as const))))
  .map((held) => Object.fromEntries(held.flat()));
