import { sameElements } from '../nftables/element-changes.ts';
import type { ElementVerdict, NftSet, Table } from '../nftables/ruleset.ts';
import { editionsIn, inEditions, secondEdition, type Editions } from './editions.ts';
import { chainTarget, readsThrough } from './reads.ts';

/**
 * Which sets the next rule set must hold in their second edition.
 *
 * A packet's rules come from one generation, but each look-up reads the generation of its moment (nftables-notes, C3). So a pod that
 * moves from one class chain to another must meet no set that changes too: old rules with new members, or new rules with members
 * that go only later, could pass what neither state passes (S7.3). Such a set changes its edition: the new chains read a copy.
 * That renames every chain that reads it, which moves their pods as well; so this goes on until nothing is added.
 */
export function chooseEditions(desired: Table, applied: Table): Editions {
  const current = editionsIn(applied);
  const chosen = new Set([...current].filter((name) => desired.sets.has(name)));
  const changed = [...desired.sets.values()].filter((set) => changes(set, current, applied));
  if (changed.length === 0) return chosen;
  const flipped = new Set<string>();
  for (;;) {
    const touched = readsOfMoves(inEditions(desired, chosen), applied);
    const conflicts = changed.filter(({ name }) => {
      const used = current.has(name) ? secondEdition(name) : name;
      return !flipped.has(name) && touched.has(used);
    });
    if (conflicts.length === 0) return chosen;
    for (const { name } of conflicts) {
      flipped.add(name);
      if (current.has(name)) chosen.delete(name);
      else chosen.add(name);
    }
  }
}

function changes(set: NftSet, current: Editions, applied: Table): boolean {
  const before = applied.sets.get(current.has(set.name) ? secondEdition(set.name) : set.name);
  return before !== undefined && before !== set && !sameElements(before.elements, set.elements);
}

/**
 * Every set that a pod's old or new class chain reads, for pods that move from one class to another. Sets of the chains that classes
 * go to are not among them: what those look up (is this pod isolated, is this its own address) changes only together with the pod's own
 * isolation, where either state may be seen.
 */
function readsOfMoves(desired: Table, applied: Table): Set<string> {
  const reads = new Set<string>();
  for (const map of desired.maps.values()) {
    const before = applied.maps.get(map.name);
    if (!before || before === map) continue;
    for (const [key, verdict] of map.elements) {
      const old = before.elements.get(key);
      if (!old || sameVerdict(old, verdict)) continue;
      addReads(applied, old, reads);
      addReads(desired, verdict, reads);
    }
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
