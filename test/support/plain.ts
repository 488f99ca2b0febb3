import type { NftSet, Ruleset, Table } from '../../src/nftables/ruleset.ts';

/** The same content in Maps and Sets, which `deepEqual` compares. */
export function plain(ruleset: Ruleset): Ruleset {
  const tables = Object.entries(ruleset).map(([family, table]: [string, Table]) => {
    const sets = table.sets.values().map((set): NftSet => ({ ...set, elements: new Set(set.elements) }));
    return [family, { ...table, sets: new Map(sets.map((set) => [set.name, set])) }];
  });
  return Object.fromEntries(tables) as Ruleset;
}
