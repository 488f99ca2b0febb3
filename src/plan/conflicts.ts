import type { ElementChange, ElementChanges } from '../nftables/element-changes.ts';
import type { ElementVerdict, Table } from '../nftables/ruleset.ts';
import type { TableDifference } from './difference.ts';
import { editionsIn, inEditions, secondEdition, type Editions } from './editions.ts';
import { chainTarget, readsThrough } from './reads.ts';

/**
 * Which sets the next rule set must hold in their second edition.
 *
 * A packet's rules come from one generation, but each look-up reads the generation of its moment (K26). So a pod that
 * moves from one class chain to another must meet no set that changes too: old rules with new members, or new rules with members
 * that go only later, could pass what neither state passes (S7.3). Such a set changes its edition: the new chains read a copy.
 * That renames every chain that reads it, which moves their pods as well; so this goes on until nothing is added.
 *
 * An address that comes moves too, from what its map has for all others: what has just been taken away, and is so only later, must not pass
 * for it. One that goes must not be passed what has just been added.
 */
export function chooseEditions(
  desired: Table,
  applied: Table,
  { sets }: TableDifference,
  changes: ElementChanges,
): Editions {
  const current = editionsIn(applied);
  const chosen = new Set([...current].filter((name) => desired.sets.has(name)));
  const others = sets.changed.map(({ after: { name }, ...change }) => setChange(name, change));
  const inUse = [...chosen].map((name) => {
    const before = applied.sets.get(secondEdition(name))!.elements;
    return setChange(name, changes.between(before, desired.sets.get(name)!.elements));
  });
  const changed = [...others.filter(({ name }) => !chosen.has(name)), ...inUse].filter(
    ({ gains, loses }) => gains || loses,
  );
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

interface SetChange {
  readonly name: string;
  readonly gains: boolean;
  readonly loses: boolean;
}

function setChange(name: string, { added, removed }: ElementChange): SetChange {
  return { name, gains: added.length > 0, loses: removed.length > 0 };
}

/** By what becomes of the addresses. */
interface Reads {
  readonly moved: ReadonlySet<string>;
  readonly coming: ReadonlySet<string>;
  readonly leaving: ReadonlySet<string>;
}

/**
 * Every set that a pod's old or new class chain reads, for pods that move from one class to another, come or go. Sets of the chains that classes
 * go to are not among them: what those look up (is this pod isolated, is this its own address) changes only together with the pod's own
 * isolation, where either state may be seen.
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
