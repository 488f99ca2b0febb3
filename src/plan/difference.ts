import type { ElementChange, ElementChanges } from '../nftables/element-changes.ts';
import type { Chain, NftSet, Table, VerdictMap } from '../nftables/ruleset.ts';

/** The differences between two states of a table, for objects of one kind. */
export interface Difference<T, Change = object> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  /** Objects in both states that are not the same JavaScript object. They may still be equal. */
  readonly changed: readonly (Change & { readonly before: T; readonly after: T })[];
}

/** Computed in one pass: a node has thousands of sets, and an event typically changes one. */
export interface TableDifference {
  readonly sets: Difference<NftSet, ElementChange>;
  readonly maps: Difference<VerdictMap>;
  readonly chains: Difference<Chain>;
}

export function differenceOf(before: Table, after: Table, changes: ElementChanges): TableDifference {
  return {
    sets: differenceOfKind(before.sets, after.sets, (a, b) => changes.between(a.elements, b.elements)),
    maps: differenceOfKind(before.maps, after.maps, () => ({})),
    chains: differenceOfKind(before.chains, after.chains, () => ({})),
  };
}

function differenceOfKind<T, Change>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  between: (before: T, after: T) => Change,
): Difference<T, Change> {
  if (before === after) return { added: [], removed: [], changed: [] };
  const added: T[] = [];
  const changed: (Change & { before: T; after: T })[] = [];
  for (const [name, object] of after) {
    const held = before.get(name);
    if (held === undefined) added.push(object);
    else if (held !== object) changed.push({ ...between(held, object), before: held, after: object });
  }
  const isAnyGone = before.size + added.length > after.size;
  const removed = isAnyGone ? [...before].flatMap(([name, object]) => (after.has(name) ? [] : [object])) : [];
  return { added, removed, changed };
}
