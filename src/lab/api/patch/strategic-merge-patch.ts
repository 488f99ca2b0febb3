import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject } from '../object.ts';
import type { ListSchema, Schema } from '../schema/schema.ts';
import { PatchError } from './patch-error.ts';

const elementOrder = '$setElementOrder/';
const primitiveDeletions = '$deleteFromPrimitiveList/';

/**
 * Kubernetes' strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch). Merges objects, and lists that have a merge key or
 * are sets in the schema. Applies `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 */
export function applyStrategicMergePatch(schema: Schema, target: unknown, patch: JsonObject): unknown {
  if (patch.$patch === 'delete') return {};
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  if (patch.$patch !== undefined && patch.$patch !== 'merge') {
    throw new PatchError(`Unknown patch type: ${String(patch.$patch)}`);
  }
  const result: JsonObject = isJsonObject(target) ? retained(target, patch.$retainKeys) : {};
  // Directives for lists that the patch does not contain.
  for (const key of Object.keys(patch)) {
    const field = listFieldOf(key);
    if (field === undefined || Object.hasOwn(patch, field)) continue;
    const current = result[field];
    if (Array.isArray(current))
      result[field] = mergeList(listSchemaOf(schema, field), current, [], directivesFor(patch, field));
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    const current = Object.hasOwn(result, key) ? result[key] : undefined;
    if (value === null) delete result[key];
    else if (isJsonObject(value)) result[key] = applyStrategicMergePatch(fieldSchema(schema, key), current, value);
    else if (Array.isArray(value)) {
      const list = Array.isArray(current) ? current : [];
      result[key] = mergeList(listSchemaOf(schema, key), list, value, directivesFor(patch, key));
    } else result[key] = value;
  }
  return result;
}

interface ListDirectives {
  readonly order: readonly unknown[] | undefined;
  readonly deletions: readonly unknown[];
}

function mergeList(
  schema: ListSchema | undefined,
  current: readonly unknown[],
  patch: readonly unknown[],
  { order, deletions }: ListDirectives,
): unknown[] {
  const merge = schema?.merge ?? 'atomic';
  if (schema === undefined || merge === 'atomic') return patch.map(withoutDirectives);
  if (merge === 'set') {
    const kept = current.filter((each) => !deletions.includes(each));
    return inOrder([...new Set([...kept, ...patch])], kept, order, (each) => each);
  }
  const keyOf = (item: unknown): unknown => {
    const value = isJsonObject(item) ? item[merge.key] : undefined;
    if (value === undefined)
      throw new PatchError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${merge.key}`);
    return value;
  };
  const items = patch.filter((item) => isJsonObject(item) && !isReplaceDirective(item)) as JsonObject[];
  if (patch.some(isReplaceDirective)) return items.map(withoutDirectives);
  let merged = [...current];
  for (const item of items) {
    const key = keyOf(item);
    const same = (each: unknown): boolean => keyOf(each) === key;
    if (item.$patch === 'delete') merged = merged.filter((each) => !same(each));
    else if (merged.some(same)) {
      merged = merged.map((each) => (same(each) ? applyStrategicMergePatch(schema.items, each, item) : each));
    } else merged.push(applyStrategicMergePatch(schema.items, undefined, item));
  }
  const orderKeys = order?.map((each) => (isJsonObject(each) ? each[merge.key] : each));
  return inOrder(merged, current, orderKeys, keyOf);
}

/** The list item `$patch: replace`: the other items replace the list. */
function isReplaceDirective(item: unknown): boolean {
  return isJsonObject(item) && isDeepStrictEqual(item, { $patch: 'replace' });
}

/** Sorts items in `order`. Other items stay before the items that followed them on the server. */
function inOrder(
  merged: readonly unknown[],
  current: readonly unknown[],
  order: readonly unknown[] | undefined,
  keyOf: (item: unknown) => unknown,
): unknown[] {
  if (!order) return [...merged];
  const place = new Map(order.map((key, i) => [key, i]));
  const before = new Map(current.map((item, i) => [keyOf(item), i]));
  const named = merged
    .filter((item) => place.has(keyOf(item)))
    .toSorted((a, b) => place.get(keyOf(a))! - place.get(keyOf(b))!);
  const others = merged.filter((item) => !place.has(keyOf(item)));
  const result: unknown[] = [];
  for (const item of named) {
    const position = before.get(keyOf(item)) ?? -1;
    while (others.length > 0 && (before.get(keyOf(others[0])) ?? Infinity) < position) result.push(others.shift());
    result.push(item);
  }
  return [...result, ...others];
}

function retained(target: JsonObject, keys: unknown): JsonObject {
  if (!Array.isArray(keys)) return { ...target };
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([key, each]) => !key.startsWith('$') && each !== null);
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutDirectives(each)]));
}

function listFieldOf(directive: string): string | undefined {
  const prefix = [elementOrder, primitiveDeletions].find((each) => directive.startsWith(each));
  return prefix && directive.slice(prefix.length);
}

function directivesFor(patch: JsonObject, field: string): ListDirectives {
  const order = patch[elementOrder + field];
  const deletions = patch[primitiveDeletions + field];
  return { order: Array.isArray(order) ? order : undefined, deletions: Array.isArray(deletions) ? deletions : [] };
}

function fieldSchema(schema: Schema, key: string): Schema {
  if (schema.type === 'map') return schema.values;
  return (schema.type === 'object' && Object.hasOwn(schema.fields, key) && schema.fields[key]) || { type: 'anything' };
}

function listSchemaOf(schema: Schema, key: string): ListSchema | undefined {
  const field = fieldSchema(schema, key);
  return field.type === 'list' ? field : undefined;
}
