import type { ElementChanges } from '../nftables/element-changes.ts';
import { tableFamilies, type NftSet, type Ruleset, type Table, type TableFamily } from '../nftables/ruleset.ts';

/** The rule set, in which all that is equal to the last one is the very object, down to whole tables: the plan need not look at it. */
export function keepUnchanged(ruleset: Ruleset, last: Ruleset, changes: ElementChanges): Ruleset {
  return mapTables(ruleset, (table, family) => keepTable(table, last[family], changes));
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

function keepTable(table: Table, last: Table | undefined, changes: ElementChanges): Table {
  if (!last) return table;
  const maps = keepAll(table.maps, last.maps);
  const chains = keepAll(table.chains, last.chains);
  const sets = keepAll(keepSets(table.sets, last.sets, changes), last.sets);
  return sets === last.sets && maps === last.maps && chains === last.chains ? last : { sets, maps, chains };
}

function keepAll<T>(objects: ReadonlyMap<string, T>, last: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  if (objects.size !== last.size) return objects;
  for (const [name, object] of objects) if (last.get(name) !== object) return objects;
  return last;
}

function keepSets(sets: Table['sets'], last: Table['sets'], changes: ElementChanges): Map<string, NftSet> {
  return new Map(
    [...sets].map(([name, set]) => {
      const held = last.get(name);
      return [name, held && isSame(held, set, changes) ? held : set];
    }),
  );
}

function isSame(held: NftSet, set: NftSet, changes: ElementChanges): boolean {
  return held === set || (held.interval === set.interval && changes.areSame(held.elements, set.elements));
}
