/** Type of a value, for decoding and for strategic merge patches. */
export type Schema =
  | { readonly type: 'text' | 'flag' | 'int32' | 'int64' | 'int-or-text' }
  /** Not validated. */
  | { readonly type: 'anything' }
  | { readonly type: 'map'; readonly values: Schema }
  | ListSchema
  | ObjectSchema;

export interface ListSchema {
  readonly type: 'list';
  readonly items: Schema;
  /** Strategic merge patches replace the list, merge it as a set, or merge its items by this key. */
  readonly merge: 'atomic' | 'set' | { readonly key: string };
}

export interface ObjectSchema {
  readonly type: 'object';
  /** Name of the Go type in decoding errors. */
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

/** Fields of one type: `fieldsOf(text, 'a b')` replaces the lines `a: text` and `b: text`. */
export function fieldsOf(schema: Schema, names: string): Record<string, Schema> {
  return Object.fromEntries(names.split(' ').map((name) => [name, schema]));
}
