/** A decoded JSON or YAML mapping, as an API server sends it. Nothing is known of its values. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The mapping at a path of keys; an empty one where something else or nothing stands. */
export function objectAt(root: unknown, ...keys: readonly string[]): JsonObject {
  const value = valueAt(root, keys);
  return isJsonObject(value) ? value : {};
}

/** The list at a path of keys; an empty one where something else or nothing stands. */
export function listAt(root: unknown, ...keys: readonly string[]): readonly unknown[] {
  const value = valueAt(root, keys);
  return Array.isArray(value) ? value : [];
}

/** The text at a path of keys, or `undefined` where something else or nothing stands. */
export function textAt(root: unknown, ...keys: readonly string[]): string | undefined {
  const value = valueAt(root, keys);
  return typeof value === 'string' ? value : undefined;
}

/** The number at a path of keys, or `undefined` where something else or nothing stands. */
export function numberAt(root: unknown, ...keys: readonly string[]): number | undefined {
  const value = valueAt(root, keys);
  return typeof value === 'number' ? value : undefined;
}

function valueAt(root: unknown, keys: readonly string[]): unknown {
  let value = root;
  for (const key of keys) value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}
