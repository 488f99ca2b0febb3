import { isJsonObject } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';

/**
 * Reads a text that is one JSON object, as from `kubectl -o json`. JSON is YAML too, but a YAML parser needs several times longer for a large cluster.
 * Returns `undefined` for every other text, and for JSON with a key twice in one mapping: the YAML parser names the place.
 */
export function readJson(text: string): JsonObject | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isJsonObject(value) && countKeys(value) === countColons(text) ? value : undefined;
}

/** JSON.parse keeps one of two equal keys. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const each of value) count += countKeys(each);
  else for (const each of Object.values(value)) count += 1 + countKeys(each);
  return count;
}

const [quote, backslash, colon] = ['"', '\\', ':'].map((char) => char.charCodeAt(0));

/** The colons outside of strings. Each mapping has one for each key that is written. */
function countColons(text: string): number {
  let count = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) inString = !inString;
    else if (code === backslash) at++;
    else if (code === colon && !inString) count++;
  }
  return count;
}
