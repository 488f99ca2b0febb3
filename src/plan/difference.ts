import { VersionedMap } from '../lib/versioned-map.ts';
import { changeBetween, type ElementChange } from '../nftables/element-set.ts';
import type { Chain, NftSet, Table, VerdictMap } from '../nftables/ruleset.ts';

/** The differences between two states of a table, for objects of one kind. */
export interface Difference<T, Change = object> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  /** Objects in both states that are not the same JavaScript object. They may still be equal. */
  readonly changed: readonly (Change & { readonly before: T; readonly after: T })[];
}

export interface TableDifference {
  readonly sets: Difference<NftSet, ElementChange>;
  readonly maps: Difference<VerdictMap>;
  readonly chains: Difference<Chain>;
}

/** If compile made the second state from the first, the cost is that of the changes alone: a node has thousands of sets, and an event changes a few. */
export function differenceOf(before: Table, after: Table): TableDifference {
  return {
    sets: differenceOfKind(before.sets, after.sets, (a, b) => changeBetween(a.elements, b.elements)),
    maps: differenceOfKind(before.maps, after.maps, () => ({})),
    chains: differenceOfKind(before.chains, after.chains, () => ({})),
  };
}

function differenceOfKind<T extends object, Change>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  between: (before: T, after: T) => Change,
): Difference<T, Change> {
  if (before === after) return { added: [], removed: [], changed: [] };
  const added: T[] = [];
  const removed: T[] = [];
  const changed: (Change & { before: T; after: T })[] = [];
  const known = before instanceof VersionedMap ? before.keysChangedIn(after) : undefined;
  for (const name of known ?? new Set([...after.keys(), ...before.keys()])) {
    const [held, object] = [before.get(name), after.get(name)];
    if (held === object) continue;
    if (held === undefined) added.push(object!);
    else if (object === undefined) removed.push(held);
    else changed.push({ ...between(held, object), before: held, after: object });
  }
  return { added, removed, changed };
}
