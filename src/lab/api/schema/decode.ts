import { isJsonObject } from '../object.ts';
import type { ListSchema, ObjectSchema, Schema } from './schema.ts';

/** A value of the wrong type, with the message of encoding/json. */
export class TypeMismatch extends Error {
  override readonly name = 'TypeMismatch';
}

interface Where {
  /** The Go struct of the field, and the path of names to it. */
  readonly struct: string;
  readonly names: readonly string[];
  /** With indices, for unknown fields. */
  readonly path: string;
}

/**
 * Decodes JSON as into a Go type: null, empty lists and empty maps are absent. Drops unknown fields and adds their paths to `unknown`.
 * Throws TypeMismatch for a value of the wrong type.
 */
export function decode(schema: Schema, value: unknown, unknown: string[]): unknown {
  return decodeValue(schema, value, { struct: '', names: [], path: '' }, unknown);
}

function decodeValue(schema: Schema, value: unknown, where: Where, unknown: string[]): unknown {
  switch (schema.type) {
    case 'anything':
      return value;
    case 'object':
      return decodeObject(schema, value, where, unknown);
    case 'list':
      if (!Array.isArray(value)) throw mismatch(schema, value, where);
      return value.map((item, i) => decodeItem(schema, item, { ...where, path: `${where.path}[${i}]` }, unknown));
    case 'map':
      if (!isJsonObject(value)) throw mismatch(schema, value, where);
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => {
          const inside = { ...where, path: `${where.path}.${key}` };
          return [key, each === null ? zeroOf(schema.values) : decodeValue(schema.values, each, inside, unknown)];
        }),
      );
    default:
      if (!isScalar(schema.type, value)) throw mismatch(schema, value, where);
      return value;
  }
}

function decodeItem(schema: ListSchema, item: unknown, where: Where, unknown: string[]): unknown {
  return item === null ? zeroOf(schema.items) : decodeValue(schema.items, item, where, unknown);
}

function decodeObject(schema: ObjectSchema, value: unknown, where: Where, unknown: string[]): unknown {
  if (!isJsonObject(value)) throw mismatch(schema, value, where);
  const result: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    const path = where.path === '' ? key : `${where.path}.${key}`;
    const field = Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
    if (each === undefined) continue;
    if (!field) unknown.push(path);
    else if (each !== null) {
      const inside = { struct: schema.name, names: [...where.names, key], path };
      const decoded = decodeValue(field, each, inside, unknown);
      if (!isOmitted(field, decoded)) result[key] = decoded;
    }
  }
  return result;
}

/** Omits empty lists and maps (`omitempty`), but not empty objects. */
function isOmitted(schema: Schema, decoded: unknown): boolean {
  if (schema.type === 'list') return (decoded as unknown[]).length === 0;
  return schema.type === 'map' && Object.keys(decoded as object).length === 0;
}

/** Go's value for null in a list or map. */
function zeroOf(schema: Schema): unknown {
  if (schema.type === 'text') return '';
  if (schema.type === 'flag') return false;
  if (schema.type === 'int32' || schema.type === 'int64' || schema.type === 'int-or-text') return 0;
  return schema.type === 'list' ? [] : {};
}

function isScalar(type: 'text' | 'flag' | 'int32' | 'int64' | 'int-or-text', value: unknown): boolean {
  if (typeof value === 'string') return type === 'text' || type === 'int-or-text';
  if (typeof value === 'boolean') return type === 'flag';
  if (typeof value !== 'number' || !Number.isInteger(value)) return false;
  if (type === 'int64') return Number.isSafeInteger(value);
  return (type === 'int32' || type === 'int-or-text') && value >= -(2 ** 31) && value < 2 ** 31;
}

function mismatch(schema: Schema, value: unknown, where: Where): TypeMismatch {
  const target = where.struct === '' ? 'Go value' : `Go struct field ${where.struct}.${where.names.join('.')}`;
  return new TypeMismatch(`json: cannot unmarshal ${jsonType(schema, value)} into ${target} of type ${goType(schema)}`);
}

function jsonType(schema: Schema, value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') {
    // The message shows only numbers that overflow the type.
    return schema.type === 'int32' || schema.type === 'int64' || schema.type === 'int-or-text'
      ? `number ${value}`
      : 'number';
  }
  return typeof value;
}

function goType(schema: Schema): string {
  switch (schema.type) {
    case 'text':
      return 'string';
    case 'flag':
      return 'bool';
    case 'int-or-text':
      return 'int32';
    case 'list':
      return `[]${goType(schema.items)}`;
    case 'map':
      return `map[string]${goType(schema.values)}`;
    case 'object':
      return `v1.${schema.name}`;
    case 'anything':
      return 'interface {}';
    default:
      return schema.type;
  }
}
