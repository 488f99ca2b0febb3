/** A decoded JSON or YAML mapping. Its values are unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The mapping at a path of keys, or an empty mapping if the value is missing or of another type. */
export function objectAt(root: unknown, ...keys: readonly string[]): JsonObject {
  const value = valueAt(root, keys);
  return isJsonObject(value) ? value : {};
}

/** The list at a path of keys, or an empty list if the value is missing or of another type. */
export function listAt(root: unknown, ...keys: readonly string[]): readonly unknown[] {
  const value = valueAt(root, keys);
  return Array.isArray(value) ? value : [];
}

/** The string at a path of keys, or `undefined` if the value is missing or of another type. */
export function textAt(root: unknown, ...keys: readonly string[]): string | undefined {
  const value = valueAt(root, keys);
  return typeof value === 'string' ? value : undefined;
}

/** The number at a path of keys, or `undefined` if the value is missing or of another type. */
export function numberAt(root: unknown, ...keys: readonly string[]): number | undefined {
  const value = valueAt(root, keys);
  return typeof value === 'number' ? value : undefined;
}

function valueAt(root: unknown, keys: readonly string[]): unknown {
  let value = root;
  for (const key of keys) value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}
