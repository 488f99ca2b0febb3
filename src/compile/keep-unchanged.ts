import { VersionedMap } from '../lib/versioned-map.ts';
import { changeBetween, isEmptyChange } from '../nftables/element-set.ts';
import { tableFamilies, type NftSet, type Ruleset, type Table, type TableFamily } from '../nftables/ruleset.ts';

/** Returns the ruleset with each unchanged set replaced by the object of the last ruleset, so that the plan can skip it. */
export function keepUnchanged(ruleset: Ruleset, last: Ruleset): Ruleset {
  return mapTables(ruleset, (table, family) => {
    const sets = table.sets.values().map((set) => {
      const held = last[family]?.sets.get(set.name);
      return held && isSame(held, set) ? held : set;
    });
    return { ...table, sets: new VersionedMap(new Map(sets.map((set) => [set.name, set]))) };
  });
}

/** Returns the ruleset with these sets replaced by name, in every table that has them. */
export function replaceSets(ruleset: Ruleset, current: readonly NftSet[]): Ruleset {
  return mapTables(ruleset, (table) => {
    const changed = current.filter((set) => {
      const held = table.sets.get(set.name);
      return held && !isSame(held, set);
    });
    if (changed.length === 0) return table;
    const sets = table.sets instanceof VersionedMap ? table.sets : new VersionedMap(new Map(table.sets));
    return { ...table, sets: sets.with(changed.map((set) => [set.name, set])) };
  });
}

function mapTables(ruleset: Ruleset, change: (table: Table, family: TableFamily) => Table): Ruleset {
  const tables = tableFamilies.flatMap((family) => {
    const table = ruleset[family];
    return table ? [[family, change(table, family)] as const] : [];
  });
  return Object.fromEntries(tables);
}

function isSame(held: NftSet, set: NftSet): boolean {
  return held === set || (held.interval === set.interval && isEmptyChange(changeBetween(held.elements, set.elements)));
}
