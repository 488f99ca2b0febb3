import { compareText } from '../lib/sort.ts';

/**
 * Writes JSON in which Map, Set and bigint are objects with one tag. It sorts the entries of maps and sets, so that equal values have equal text. Keys of
 * plain objects must not begin with `$`; our plain objects have no keys that users choose.
 */
export function writeTagged(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (each instanceof Map) return { $map: sortedBy([...each], ([key]) => String(key)) };
    if (each instanceof Set) return { $set: sortedBy([...each], String) };
    return typeof each === 'bigint' ? { $bigint: each.toString() } : each;
  });
}

/** Throws if the text is not JSON, or if a tag has a value of the wrong kind. */
export function readTagged(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
    if ('$set' in value) return new Set(value.$set as unknown[]);
    return '$bigint' in value ? BigInt(value.$bigint as string) : value;
  });
}

function sortedBy<T>(values: readonly T[], text: (value: T) => string): T[] {
  return values.toSorted((a, b) => compareText(text(a), text(b)));
}
