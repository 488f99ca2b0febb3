import type { ElementVerdict, Table } from '../nftables/ruleset.ts';
import type { TableDifference } from './difference.ts';
import { editionsIn, firstEdition, inEditions, secondEdition, type Editions } from './editions.ts';
import { chainTarget, readsThrough } from './reads.ts';

/**
 * Chooses the sets that the next ruleset must hold in their second edition.
 *
 * A packet uses the rules of one generation, but each lookup reads the sets of the current generation (K26). So if a pod moves to another class
 * chain, its packets must not read a set that changes too: old rules with new members, or new rules with members that a later stage removes,
 * could pass packets that neither state passes (S7.3). Such a set changes its edition: the new chains read a copy. This renames every
 * chain that reads the set, which moves the pods of those chains as well. So the search repeats until it finds no further set.
 *
 * A new address moves too, from the map's catch-all element to a class. It must not read a set whose removals happen in a later stage. A removed
 * address must not read a set that has just got additions.
 * @param wanted the difference between `applied` and the desired table in the editions of `applied`
 */
export function chooseEditions(desired: Table, applied: Table, wanted: TableDifference): Editions {
  const current = editionsIn(applied);
  const chosen = new Set([...current].filter((name) => desired.sets.has(name)));
  const changed = wanted.sets.changed
    .map(({ after, added, removed }) => {
      return { name: firstEdition(after.name), gains: added.length > 0, loses: removed.length > 0 };
    })
    .filter(({ gains, loses }) => gains || loses);
  if (changed.length === 0) return chosen;
  const flipped = new Set<string>();
  for (;;) {
    const { moved, coming, leaving } = readsOfMoves(inEditions(desired, chosen), applied);
    const conflicts = changed.filter(({ name, gains, loses }) => {
      const used = current.has(name) ? secondEdition(name) : name;
      const isTouched = moved.has(used) || (loses && coming.has(used)) || (gains && leaving.has(used));
      return isTouched && !flipped.has(name);
    });
    if (conflicts.length === 0) return chosen;
    for (const { name } of conflicts) {
      flipped.add(name);
      if (current.has(name)) chosen.delete(name);
      else chosen.add(name);
    }
  }
}

/** Names of sets that packets of addresses read, by the change of the address. */
interface Reads {
  readonly moved: ReadonlySet<string>;
  readonly coming: ReadonlySet<string>;
  readonly leaving: ReadonlySet<string>;
}

/**
 * The sets that the old and the new class chain read, for addresses that change their class, are new, or are removed. Sets of the deny chains are not
 * included: their content (isolated pods, a pod's own addresses) changes only together with the pod's isolation, and then both states
 * are allowed.
 */
function readsOfMoves(desired: Table, applied: Table): Reads {
  const reads = { moved: new Set<string>(), coming: new Set<string>(), leaving: new Set<string>() };
  if (desired.maps === applied.maps) return reads;
  for (const map of desired.maps.values()) {
    const before = applied.maps.get(map.name);
    if (!before || before === map) continue;
    for (const [key, verdict] of map.elements) {
      const old = before.elements.get(key);
      if (!old) addReads(desired, verdict, reads.coming);
      else if (!sameVerdict(old, verdict)) {
        addReads(applied, old, reads.moved);
        addReads(desired, verdict, reads.moved);
      }
    }
    for (const [key, old] of before.elements) if (!map.elements.has(key)) addReads(applied, old, reads.leaving);
  }
  return reads;
}

function addReads(table: Table, verdict: ElementVerdict, reads: Set<string>): void {
  const chain = table.chains.get(chainTarget(verdict) ?? '');
  for (const name of chain ? readsThrough(chain, table) : []) reads.add(name);
}

export function sameVerdict(a: ElementVerdict, b: ElementVerdict): boolean {
  return a.kind === b.kind && chainTarget(a) === chainTarget(b);
}
