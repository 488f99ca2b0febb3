import { compareText } from '../lib/sort.ts';

/**
 * JSON that also knows Map, Set and bigint, as objects of one tag. Entries of maps and sets are sorted, so that equal content is equal
 * text. Plain objects must have no key that begins with `$`; ours are never keyed by what users write.
 */
export function writeTagged(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (each instanceof Map) return { $map: sortedBy([...each], ([key]) => String(key)) };
    if (each instanceof Set) return { $set: sortedBy([...each], String) };
    return typeof each === 'bigint' ? { $bigint: each.toString() } : each;
  });
}

/** Throws where the text is not JSON, or what a tag holds is not of its kind. */
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
