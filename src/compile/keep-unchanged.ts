import type { ElementChanges } from '../nftables/element-changes.ts';
import { tableFamilies, type NftSet, type Ruleset, type Table, type TableFamily } from '../nftables/ruleset.ts';

/** The rule set, in which each set that is equal to the last one is the very object: the plan need not look at it. */
export function keepUnchanged(ruleset: Ruleset, last: Ruleset, changes: ElementChanges): Ruleset {
  return mapTables(ruleset, (table, family) => {
    const sets = table.sets.values().map((set) => {
      const held = last[family]?.sets.get(set.name);
      return held && isSame(held, set, changes) ? held : set;
    });
    return { ...table, sets: new Map(sets.map((set) => [set.name, set])) };
  });
}

/** The same rule set but for what these sets hold, in whichever table there are sets of their names. */
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
