import type { Chain, ElementVerdict, Table } from '../nftables/ruleset.ts';
import type { TableDifference } from './difference.ts';
import { editionsIn, firstEdition, inEditions, secondEdition, type Editions } from './editions.ts';
import { chainTarget, isOfAllowed, readsOfClass, readsThrough, sameVerdict, type ClassReads } from './reads.ts';
import { narrows, onlyLoses, turnsOf } from './set-turns.ts';

/**
 * Chooses the sets that the next ruleset must hold in their second edition.
 *
 * A packet uses the rules of one generation, but each lookup reads the sets of the current generation (K26). So if a pod moves to another class
 * chain, its packets must not read a set that changes too: old rules with new members, or new rules with members that a later stage removes,
 * could pass packets that neither state passes (S7.3). Such a set changes its edition: the new chains read a copy. This renames every
 * chain that reads the set, which moves the pods of those chains as well. So the search repeats until it finds no further set.
 *
 * A new address moves too, from the map's catch-all element to a class. It must not read a set that changes in a later stage. A removed address must not
 * read a set that has just changed. Where the set can only make it lose packets (`onlyLoses`), no edition is worth its members: a pod that starts or goes may
 * have no network for a moment (S7.3).
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
      const isMet = !onlyLoses(name) && ((isLate && coming.has(used)) || (isEarly && leaving.has(used)));
      return (isMet || moved.has(used)) && !flipped.has(name);
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
  const moved = new Set<string>();
  const chains = { from: new Set<Chain>(), to: new Set<Chain>(), coming: new Set<Chain>(), leaving: new Set<Chain>() };
  for (const map of desired.maps === applied.maps ? [] : desired.maps.values()) {
    const before = applied.maps.get(map.name);
    if (!before || before === map) continue;
    for (const [key, verdict] of map.elements) {
      const old = before.elements.get(key);
      if (old && sameVerdict(old, verdict)) continue;
      const [from, to] = [old && chainOf(applied, old), chainOf(desired, verdict)];
      if (!old) add(chains.coming, to);
      else if (from && to && leadToSame(readsOfClass(from, applied), readsOfClass(to, desired))) {
        for (const { own } of [readsOfClass(from, applied), readsOfClass(to, desired)])
          for (const name of own) moved.add(name);
      } else {
        add(chains.from, from);
        add(chains.to, to);
      }
    }
    for (const [key, old] of before.elements) if (!map.elements.has(key)) add(chains.leaving, chainOf(applied, old));
  }
  for (const name of readsThrough(chains.from, applied)) moved.add(name);
  for (const name of readsThrough(chains.to, desired)) moved.add(name);
  return {
    moved,
    coming: readsThrough(chains.coming, desired),
    leaving: readsThrough(chains.leaving, applied),
  };
}

/**
 * Whether the same chains judge again what both classes allow and deny. The chain for what a class denies says so: it leads to that for what a class allows. A class
 * that allows nothing any more does not lead there itself.
 */
function leadToSame({ next: a }: ClassReads, { next: b }: ClassReads): boolean {
  const [deniedByA, deniedByB] = [a, b].map((next) => new Set(next.values().filter((name) => !isOfAllowed(name))));
  return isSame(deniedByA!, deniedByB!) && (deniedByA!.size > 0 || isSame(a, b));
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

function chainOf(table: Table, verdict: ElementVerdict): Chain | undefined {
  return table.chains.get(chainTarget(verdict) ?? '');
}

function add(chains: Set<Chain>, chain: Chain | undefined): void {
  if (chain) chains.add(chain);
}
