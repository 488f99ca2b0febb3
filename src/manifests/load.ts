import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readStream } from 'node:stream/consumers';
import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { compareText } from '../lib/sort.ts';
import { readDocuments } from './documents.ts';
import { isPolicyTest } from './policy-test.ts';
import { ManifestError } from './problem.ts';
import type { ManifestProblem } from './problem.ts';

export type ApiObject = JsonObject;

export interface Manifests {
  /** Unchanged and in the order read, with Lists replaced by their items. Each has `apiVersion`, `kind` and `metadata.name`. */
  readonly objects: readonly ApiObject[];
  /** Documents that were skipped, with the reason. */
  readonly problems: readonly ManifestProblem[];
}

/**
 * Reads files, folders (all *.yaml, *.yml and *.json in and below them, sorted by path) and `-` (standard input).
 * Rejects with a ManifestError if it cannot read a path. Reports an invalid document in `problems`.
 */
export async function loadManifests(
  paths: readonly string[],
  input: AsyncIterable<string | Uint8Array> = process.stdin,
): Promise<Manifests> {
  const objects: ApiObject[] = [];
  const problems: ManifestProblem[] = [];
  for (const path of paths) {
    if (path === '-') {
      const text = await readStream(input as NodeJS.ReadableStream);
      const file = 'standard input';
      // An empty pipe usually means that the command before it failed. Files may be empty.
      if (readDocuments(text).length === 0) {
        problems.push({ file, document: 0, line: undefined, field: undefined, message: 'contains no manifests' });
      }
      readManifest(file, text, objects, problems);
    } else {
      for (const file of await findFiles(path))
        readManifest(file, await reading(file, readFile(file, 'utf8')), objects, problems);
    }
  }
  return { objects, problems };
}

async function findFiles(path: string): Promise<string[]> {
  if (!(await reading(path, stat(path))).isDirectory()) return [path];
  const entries = await reading(path, readdir(path, { recursive: true }));
  const files = entries.filter((entry) => /\.(ya?ml|json)$/.test(entry)).sort(compareText);
  if (files.length === 0) throw new ManifestError(`${path}: no *.yaml, *.yml or *.json in this folder`);
  return files.map((file) => join(path, file));
}

async function reading<Value>(path: string, result: Promise<Value>): Promise<Value> {
  try {
    return await result;
  } catch (cause) {
    const missing = (cause as { code?: unknown }).code === 'ENOENT';
    throw new ManifestError(`${path}: ${missing ? 'no such file or folder' : (cause as Error).message}`, { cause });
  }
}

function readManifest(file: string, text: string, objects: ApiObject[], problems: ManifestProblem[]): void {
  for (const document of readDocuments(text)) {
    const { index, line } = document;
    const report = (field: string | undefined, message: string): void => {
      problems.push({ file, document: index, line, field, message });
    };
    if ('error' in document) report(undefined, document.error);
    else if (document.value !== null) objects.push(...unrollList(document.value, '', report));
  }
}

/** Replaces a List (`List`, `PodList`, …) by its items. Items of a typed list may omit apiVersion and kind. */
function unrollList(
  value: unknown,
  prefix: string,
  report: (field: string | undefined, message: string) => void,
): ApiObject[] {
  const at = (field: string): string => `${prefix}${field}`;
  if (!isJsonObject(value)) {
    report(prefix.replace(/\.$/, '') || undefined, 'expected an object with apiVersion, kind and metadata');
    return [];
  }
  const kind = textAt(value, 'kind');
  const apiVersion = textAt(value, 'apiVersion');
  if (!apiVersion) report(at('apiVersion'), 'missing');
  if (!kind) report(at('kind'), 'missing');
  // Expectations may lie beside the manifests that they are about.
  if (!apiVersion || !kind || isPolicyTest(value)) return [];
  if (kind.endsWith('List') && Array.isArray(value['items'])) {
    const itemKind = kind.slice(0, -'List'.length);
    return listAt(value, 'items').flatMap((item, index) => {
      const whole = itemKind !== '' && isJsonObject(item) ? { apiVersion, kind: itemKind, ...item } : item;
      return unrollList(whole, `${at('items')}[${index}].`, report);
    });
  }
  if (textAt(value, 'metadata', 'name')) return [value];
  report(at('metadata.name'), 'missing');
  return [];
}
