/** What becomes of the objects of one kind between two states of a table. */
export interface Difference<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  /** Those that are there before and after, and not the very object: they may be equal all the same. */
  readonly changed: readonly { readonly before: T; readonly after: T }[];
}

type Objects<T> = ReadonlyMap<string, T>;

const none: Difference<never> = { added: [], removed: [], changed: [] };
/** A plan asks more than once, and a node has thousands of sets. By what is there after. */
const last = new WeakMap<
  Objects<unknown>,
  { readonly before: Objects<unknown>; readonly found: Difference<unknown> }
>();

export function differenceOf<T>(before: Objects<T>, after: Objects<T>): Difference<T> {
  if (before === after) return none;
  const known = last.get(after);
  if (known?.before === before) return known.found as Difference<T>;
  const added: T[] = [];
  const changed: { before: T; after: T }[] = [];
  for (const [name, object] of after) {
    const held = before.get(name);
    if (held === undefined) added.push(object);
    else if (held !== object) changed.push({ before: held, after: object });
  }
  const isAnyGone = before.size + added.length > after.size;
  const removed = isAnyGone ? [...before].flatMap(([name, object]) => (after.has(name) ? [] : [object])) : [];
  const found = { added, removed, changed };
  last.set(after, { before, found });
  return found;
}
