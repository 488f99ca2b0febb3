/** JSON from nft. Its shape is unchecked. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export function listOf(json: Json | undefined): readonly Json[] {
  return json === undefined ? [] : isList(json) ? json : [json];
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

export function sameJson(a: Json | undefined, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function hasOnly(object: JsonObject, names: readonly string[]): boolean {
  return Object.keys(object).every((name) => names.includes(name));
}

/** `undefined` if one element does not parse. */
export function parseAll<T>(json: Json | undefined, parse: (each: Json) => T | undefined): T[] | undefined {
  const parsed: T[] = [];
  for (const each of listOf(json)) {
    const value = parse(each);
    if (value === undefined) return undefined;
    parsed.push(value);
  }
  return parsed;
}
