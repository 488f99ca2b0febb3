import { isJsonObject } from '../lib/json.ts';

/** Whether two values are equal. The order of keys does not matter, and `null` counts as missing. */
export function isSameValue(a: unknown, b: unknown): boolean {
  // Objects that a change leaves alone are identical on both sides, so most comparisons end here.
  if (Object.is(a, b)) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((each, index) => isSameValue(each, b[index]));
  }
  if (a instanceof Set) return b instanceof Set && isSameValue([...a], [...b]);
  if (!isJsonObject(a) || !isJsonObject(b)) return isMissing(a) && isMissing(b);
  return (
    Object.keys(a).every((key) => isSameValue(a[key], Object.hasOwn(b, key) ? b[key] : undefined)) &&
    Object.keys(b).every((key) => Object.hasOwn(a, key) || isMissing(b[key]))
  );
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}
