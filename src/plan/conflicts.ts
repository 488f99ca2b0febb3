import type { Chain, ElementVerdict, Table } from '../nftables/ruleset.ts';
import type { TableDifference } from './difference.ts';
import { editionsIn, firstEdition, inEditions, secondEdition, type Editions } from './editions.ts';
import { chainTarget, readsOfClass, readsThrough, sameVerdict } from './reads.ts';
import { narrows, turnsOf } from './set-turns.ts';

/**
 * Chooses the sets that the next ruleset must hold in their second edition.
 *
 * A packet uses the rules of one generation, but each lookup reads the sets of the current generation (K26). So if a pod moves to another class
 * chain, its packets must not read a set that changes too: old rules with new members, or new rules with members that a later stage removes,
 * could pass packets that neither state passes (S7.3). Such a set changes its edition: the new chains read a copy. This renames every
 * chain that reads the set, which moves the pods of those chains as well. So the search repeats until it finds no further set.
 *
 * A new address moves too, from the map's catch-all element to a class. It must not read a set that changes in a later stage. A removed address must not
 * read a set that has just changed.
 * @param wanted the difference between `applied` and the desired table in the editions of `applied`
 */
export function chooseEditions(desired: Table, applied: Table, wanted: TableDifference): Editions {
  const current = editionsIn(applied);
  const chosen = new Set([...current].filter((name) => desired.sets.has(name)));
  const isNarrower = narrows(wanted);
  const changed = wanted.sets.changed
    .map(({ after: { name }, added, removed }) => {
      const turns = turnsOf(name, isNarrower);
      const stages = [...(added.length > 0 ? [turns.added] : []), ...(removed.length > 0 ? [turns.removed] : [])];
      const isEarly = stages.includes('switch');
      return { name: firstEdition(name), isEarly, isLate: stages.some((stage) => stage !== 'switch') };
    })
    .filter(({ isEarly, isLate }) => isEarly || isLate);
  if (changed.length === 0) return chosen;
  const flipped = new Set<string>();
  for (;;) {
    const { moved, coming, leaving } = readsOfMoves(inEditions(desired, chosen), applied);
    const conflicts = changed.filter(({ name, isEarly, isLate }) => {
      const used = current.has(name) ? secondEdition(name) : name;
      const isTouched = moved.has(used) || (isLate && coming.has(used)) || (isEarly && leaving.has(used));
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
 * are allowed. Nor are those of chains that both lead to: what these pass changes in an order that is right with either class (`set-turns.ts`).
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
        const [from, to] = [chainOf(applied, old), chainOf(desired, verdict)];
        const [left, met] = [from && readsOfClass(from, applied), to && readsOfClass(to, desired)];
        if (left && met && left.next.symmetricDifference(met.next).size === 0) {
          for (const { own } of [left, met]) for (const name of own) reads.moved.add(name);
          continue;
        }
        addReads(applied, old, reads.moved);
        addReads(desired, verdict, reads.moved);
      }
    }
    for (const [key, old] of before.elements) if (!map.elements.has(key)) addReads(applied, old, reads.leaving);
  }
  return reads;
}

function chainOf(table: Table, verdict: ElementVerdict): Chain | undefined {
  return table.chains.get(chainTarget(verdict) ?? '');
}

function addReads(table: Table, verdict: ElementVerdict, reads: Set<string>): void {
  const chain = chainOf(table, verdict);
  for (const name of chain ? readsThrough(chain, table) : []) reads.add(name);
}
