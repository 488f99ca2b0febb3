import { isJsonObject } from '../../lib/json.ts';
import { printable } from '../../lib/printable.ts';

/** The form of a value of a file that users write: what it is checked against, and what editors are told. */
export type Shape = { readonly about: string } & (
  | { readonly kind: 'text'; readonly oneOf?: readonly string[] }
  | { readonly kind: 'number'; readonly least: number; readonly most: number }
  | { readonly kind: 'list'; readonly of: Shape; readonly least: number; readonly most: number }
  /** Any keys, for example labels. */
  | { readonly kind: 'map'; readonly of: Shape }
  | { readonly kind: 'fields'; readonly required: readonly string[]; readonly fields: Readonly<Record<string, Shape>> }
  /** Shapes of different JSON types. */
  | { readonly kind: 'either'; readonly of: readonly Shape[] }
);

const longestText = 1_000;
/** Limit of keys of a map. */
const mostKeys = 64;

/**
 * The first problem of a value as `PATH: what is wrong`, or `undefined`. It looks only as deep as the shape, so aliases of YAML that contain each other cost
 * nothing.
 */
export function findProblem(shape: Shape, value: unknown, path: string): string | undefined {
  const wrong = (message: string): string => `${path === '' ? 'the document' : path}: ${message}`;
  switch (shape.kind) {
    case 'text':
      if (typeof value !== 'string') return wrong(`expected text, found ${describe(value)}`);
      if (value === '') return wrong('is empty');
      if (value.length > longestText) return wrong(`has more than ${longestText} characters`);
      return shape.oneOf && !shape.oneOf.includes(value)
        ? wrong(`${describe(value)} is not ${shape.oneOf.join(' or ')}`)
        : undefined;
    case 'number': {
      const isWithin = Number.isInteger(value) && (value as number) >= shape.least && (value as number) <= shape.most;
      return isWithin ? undefined : wrong(`expected a number from ${shape.least} to ${shape.most}`);
    }
    case 'list':
      if (!Array.isArray(value)) return wrong(`expected a list, found ${describe(value)}`);
      if (value.length < shape.least) return wrong('the list is empty');
      if (value.length > shape.most) return wrong(`has ${value.length} entries; the limit is ${shape.most}`);
      return firstOf(value.entries(), ([index, each]) => findProblem(shape.of, each, `${path}[${index}]`));
    case 'map':
      if (!isJsonObject(value)) return wrong(`expected a mapping, found ${describe(value)}`);
      if (Object.keys(value).length > mostKeys) return wrong(`has more than ${mostKeys} keys`);
      return firstOf(Object.entries(value), ([key, each]) =>
        // A label may be empty.
        each === '' ? undefined : findProblem(shape.of, each, `${path}.${cut(key)}`),
      );
    case 'fields': {
      if (!isJsonObject(value)) return wrong(`expected a mapping, found ${describe(value)}`);
      const known = Object.keys(shape.fields);
      // A wrong kind explains more than the fields that it lacks.
      const wrongField = firstOf(known, (key) =>
        Object.hasOwn(value, key)
          ? findProblem(shape.fields[key]!, value[key], path === '' ? key : `${path}.${key}`)
          : undefined,
      );
      if (wrongField !== undefined) return wrongField;
      const strange = Object.keys(value).find((key) => !known.includes(key));
      if (strange !== undefined) return wrong(`unknown field ${describe(strange)}; known are ${known.join(', ')}`);
      const missing = shape.required.find((key) => !Object.hasOwn(value, key));
      return missing === undefined ? undefined : wrong(`${missing} is missing`);
    }
    case 'either': {
      const fitting = shape.of.find((each) => jsonTypes[each.kind] === typeOf(value));
      return fitting ? findProblem(fitting, value, path) : wrong(`expected ${shape.about}, found ${describe(value)}`);
    }
  }
}

/** The same as a JSON Schema, for editors. */
export function toJsonSchema(shape: Shape): object {
  const about = { description: shape.about };
  switch (shape.kind) {
    case 'text':
      return {
        ...about,
        type: 'string',
        minLength: 1,
        maxLength: longestText,
        ...(shape.oneOf && { enum: shape.oneOf }),
      };
    case 'number':
      return { ...about, type: 'integer', minimum: shape.least, maximum: shape.most };
    case 'list':
      return { ...about, type: 'array', minItems: shape.least, maxItems: shape.most, items: toJsonSchema(shape.of) };
    case 'map':
      return { ...about, type: 'object', maxProperties: mostKeys, additionalProperties: { type: 'string' } };
    case 'fields': {
      const entries = Object.entries(shape.fields).map(([name, each]) => [name, toJsonSchema(each)]);
      const properties: unknown = Object.fromEntries(entries);
      return { ...about, type: 'object', required: shape.required, additionalProperties: false, properties };
    }
    case 'either':
      return { ...about, oneOf: shape.of.map(toJsonSchema) };
  }
}

const jsonTypes: Readonly<Record<Shape['kind'], string>> = {
  text: 'string',
  number: 'number',
  list: 'list',
  map: 'mapping',
  fields: 'mapping',
  either: 'none',
};

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' ? 'mapping' : typeof value;
}

/** Short: a value of a hostile file may be large, or contain itself. */
function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value));
  const type = typeOf(value);
  return type === 'number' || type === 'boolean' ? String(value) : type === 'nothing' ? type : `a ${type}`;
}

function cut(text: string): string {
  return printable(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function firstOf<Entry>(entries: Iterable<Entry>, find: (entry: Entry) => string | undefined): string | undefined {
  for (const entry of entries) {
    const found = find(entry);
    if (found !== undefined) return found;
  }
  return undefined;
}
