import { isJsonObject } from '../lib/json.ts';
import { compareText } from '../lib/sort.ts';

/** The same JSON text for equal values: sorts keys and treats `null` as missing. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (!isJsonObject(each)) return each;
    const entries = Object.entries(each).filter(([, field]) => field !== null && field !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => compareText(a, b)));
  });
}
