/** What a value may be. One description serves decoding and strategic merge patches. */
export type Schema =
  | { readonly type: 'text' | 'flag' | 'int32' | 'int64' | 'int-or-text' }
  /** Kept as it comes. */
  | { readonly type: 'anything' }
  | { readonly type: 'map'; readonly values: Schema }
  | ListSchema
  | ObjectSchema;

export interface ListSchema {
  readonly type: 'list';
  readonly items: Schema;
  /** How a strategic merge patch treats it: replaced whole, merged as a set, or merged by this field of its items. */
  readonly merge: 'atomic' | 'set' | { readonly key: string };
}

export interface ObjectSchema {
  readonly type: 'object';
  /** The name of the Go type, which decoding errors mention. */
  readonly name: string;
  readonly fields: Readonly<Record<string, Schema>>;
}

export const text: Schema = { type: 'text' };
export const flag: Schema = { type: 'flag' };
export const int32: Schema = { type: 'int32' };
export const int64: Schema = { type: 'int64' };
export const intOrText: Schema = { type: 'int-or-text' };
export const anything: Schema = { type: 'anything' };
export const textMap = map(text);
export const texts = list(text);

export function map(values: Schema): Schema {
  return { type: 'map', values };
}

export function list(items: Schema): Schema {
  return { type: 'list', items, merge: 'atomic' };
}

export function listByKey(key: string, items: Schema): Schema {
  return { type: 'list', items, merge: { key } };
}

export function setOf(items: Schema): Schema {
  return { type: 'list', items, merge: 'set' };
}

export function object(name: string, fields: Readonly<Record<string, Schema>>): ObjectSchema {
  return { type: 'object', name, fields };
}

/** `fields({ text: 'a b' , …})` reads better than fifty lines of `a: text`. */
export function fieldsOf(schema: Schema, names: string): Record<string, Schema> {
  return Object.fromEntries(names.split(' ').map((name) => [name, schema]));
}
