import type { Element } from './ruleset.ts';

export type Elements = ReadonlySet<Element>;

/** How a set came from another one. A hint that saves comparing them: without it all answers are the same. */
interface Origin {
  readonly from: WeakRef<Elements>;
  readonly added: readonly Element[];
  readonly removed: readonly Element[];
}

const origins = new WeakMap<Elements, Origin>();
/** Found to be equal: what has been read from the kernel, and what has been compiled. */
const equals = new WeakMap<Elements, WeakRef<Elements>>();

/**
 * A changed copy, whose difference from the first is known without a comparison; the very set if nothing changes.
 * @param added none of which it has
 * @param removed all of which it has
 */
export function changedElements(from: Elements, added: readonly Element[], removed: readonly Element[]): Elements {
  if (added.length === 0 && removed.length === 0) return from;
  const copy = new Set(from);
  for (const element of removed) copy.delete(element);
  for (const element of added) copy.add(element);
  origins.set(copy, { from: new WeakRef(from), added, removed });
  return copy;
}

/** What the first has and the second has not. */
export function elementsMissing(has: Elements, lacks: Elements): readonly Element[] {
  if (has === lacks || areKnownEqual(has, lacks)) return [];
  const origin = origins.get(has);
  if (origin?.from.deref() === lacks) return origin.added;
  const other = origins.get(lacks);
  if (other?.from.deref() === has) return other.removed;
  return [...has.difference(lacks)];
}

export function sameElements(a: Elements, b: Elements): boolean {
  if (a === b) return true;
  // A set that came from another by a change is another.
  if (origins.get(a)?.from.deref() === b || origins.get(b)?.from.deref() === a) return false;
  if (areKnownEqual(a, b)) return true;
  if (a.size !== b.size || !a.isSubsetOf(b)) return false;
  equals.set(a, new WeakRef(b));
  return true;
}

function areKnownEqual(a: Elements, b: Elements): boolean {
  return equals.get(a)?.deref() === b || equals.get(b)?.deref() === a;
}
