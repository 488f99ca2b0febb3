import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject } from '../object.ts';
import { badRequest } from '../status.ts';
import { PatchError } from './patch-error.ts';

/** RFC 6902. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: a JSON patch must be an array of operations');
  return patch.reduce<unknown>(applyOperation, structuredClone(target));
}

function applyOperation(document: unknown, operation: unknown): unknown {
  if (!isJsonObject(operation)) throw badRequest('error decoding patch: an operation must be an object');
  const path = parsePointer(operation.path);
  switch (operation.op) {
    case 'add':
      return add(document, path, valueOf(operation));
    case 'remove':
      return remove(document, path);
    case 'replace':
      valueAt(document, path);
      return path.length === 0 ? valueOf(operation) : add(remove(document, path), path, valueOf(operation));
    case 'move': {
      const from = parsePointer(operation.from);
      const value = valueAt(document, from);
      return add(remove(document, from), path, value);
    }
    case 'copy':
      return add(document, path, structuredClone(valueAt(document, parsePointer(operation.from))));
    case 'test':
      if (isDeepStrictEqual(valueAt(document, path), operation.value)) return document;
      throw new PatchError(`testing value ${String(operation.path)} failed`);
    default:
      throw new PatchError(`Unexpected kind: ${String(operation.op)}`);
  }
}

function valueOf(operation: JsonObject): unknown {
  if (!Object.hasOwn(operation, 'value')) throw new PatchError('operation lacks a value');
  return operation.value;
}

function parsePointer(pointer: unknown): string[] {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/'))) {
    throw new PatchError(`invalid JSON pointer ${JSON.stringify(pointer)}`);
  }
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function valueAt(document: unknown, path: readonly string[]): unknown {
  let current = document;
  for (const step of path) {
    if (Array.isArray(current)) current = current[indexIn(step, current.length - 1)];
    else if (isJsonObject(current) && Object.hasOwn(current, step)) current = current[step];
    else throw missing(path);
  }
  return current;
}

/** Changes `document` in place, which is a copy; only a change of the whole returns another. */
function add(document: unknown, path: readonly string[], value: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = valueAt(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : indexIn(last, parent.length);
    parent.splice(index, 0, value);
  } else if (isJsonObject(parent)) parent[last] = value;
  else throw missing(path);
  return document;
}

function remove(document: unknown, path: readonly string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) return null;
  const parent = valueAt(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(indexIn(last, parent.length - 1), 1);
  else if (isJsonObject(parent) && Object.hasOwn(parent, last)) delete parent[last];
  else throw missing(path);
  return document;
}

function indexIn(step: string, largest: number): number {
  const index = /^(0|[1-9][0-9]*)$/.test(step) ? Number(step) : -1;
  if (index < 0 || index > largest) throw new PatchError(`Unable to access invalid index: ${step}`);
  return index;
}

function missing(path: readonly string[]): PatchError {
  return new PatchError(`doc is missing path: /${path.join('/')}`);
}
