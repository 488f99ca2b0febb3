import { badRequest } from './status.ts';
import { fieldAt, type ApiObject } from './object.ts';

const always = ['metadata.name', 'metadata.namespace'];
const term = /^(?<field>[A-Za-z0-9_.-]+)(?<operator>==|=|!=)(?<value>.*)$/;

/** Returns the predicate of a field selector; '' selects all. Throws 400 for bad syntax or a field that is not in `selectable`. */
export function parseFieldSelector(text: string, selectable: readonly string[]): (object: ApiObject) => boolean {
  const terms = text === '' ? [] : text.split(',').map((each) => parseTerm(each, selectable));
  return (object) => terms.every(({ path, value, equal }) => (textOf(object, path) === value) === equal);
}

function parseTerm(text: string, selectable: readonly string[]) {
  const groups = term.exec(text)?.groups;
  if (!groups) throw badRequest(`invalid selector: '${text}'; can't understand '${text}'`);
  const field = groups.field!;
  if (!always.includes(field) && !selectable.includes(field)) throw badRequest(`field label not supported: ${field}`);
  return { path: paths[field] ?? field.split('.'), value: groups.value!, equal: groups.operator !== '!=' };
}

/** Selector fields (of Events) whose name differs from the field path. */
const paths: Readonly<Record<string, readonly string[]>> = { source: ['source', 'component'] };

/** An absent field compares as Go's zero value. Only strings and booleans are selectable. */
function textOf(object: ApiObject, path: readonly string[]): string {
  const value = fieldAt(object, ...path);
  if (value === undefined || value === null) return booleans.has(path.at(-1)!) ? 'false' : '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const booleans: ReadonlySet<string> = new Set(['hostNetwork', 'unschedulable']);
