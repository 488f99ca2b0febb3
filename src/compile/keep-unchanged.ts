import type { ElementChanges } from '../nftables/element-changes.ts';
import { tableFamilies, type NftSet, type Ruleset, type Table, type TableFamily } from '../nftables/ruleset.ts';

/** Returns the ruleset with each unchanged set replaced by the object of the last ruleset, so that the plan can skip it. */
export function keepUnchanged(ruleset: Ruleset, last: Ruleset, changes: ElementChanges): Ruleset {
  return mapTables(ruleset, (table, family) => {
    const sets = table.sets.values().map((set) => {
      const held = last[family]?.sets.get(set.name);
      return held && isSame(held, set, changes) ? held : set;
    });
    return { ...table, sets: new Map(sets.map((set) => [set.name, set])) };
  });
}

/** Returns the ruleset with these sets replaced by name, in every table that has them. */
export function replaceSets(ruleset: Ruleset, current: readonly NftSet[], changes: ElementChanges): Ruleset {
  return mapTables(ruleset, (table) => {
    const changed = current.filter((set) => {
      const held = table.sets.get(set.name);
      return held && !isSame(held, set, changes);
    });
    if (changed.length === 0) return table;
    const sets = new Map(table.sets);
    for (const set of changed) sets.set(set.name, set);
    return { ...table, sets };
  });
}

function mapTables(ruleset: Ruleset, change: (table: Table, family: TableFamily) => Table): Ruleset {
  const tables = tableFamilies.flatMap((family) => {
    const table = ruleset[family];
    return table ? [[family, change(table, family)] as const] : [];
  });
  return Object.fromEntries(tables);
}

function isSame(held: NftSet, set: NftSet, changes: ElementChanges): boolean {
  return held === set || (held.interval === set.interval && changes.areSame(held.elements, set.elements));
}
