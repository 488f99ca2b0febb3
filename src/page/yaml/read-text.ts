import { LineCounter, parseAllDocuments } from 'yaml';
import { isJsonObject, listAt, textAt, type JsonObject } from '../../lib/json.ts';

export interface TextProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface ReadText {
  readonly objects: readonly JsonObject[];
  readonly problems: readonly TextProblem[];
}

/** Bounds what a text of aliases can grow to. */
const mostAliases = 100;

/** Reads YAML or JSON, in several documents or in lists. A broken document does not affect the others; it never throws. */
export function readText(text: string): ReadText {
  const counter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, logLevel: 'error' });
  const objects: JsonObject[] = [];
  const problems: TextProblem[] = [];
  if (!Array.isArray(documents)) return { objects, problems };
  for (const document of documents) {
    const start = counter.linePos(document.contents?.range?.[0] ?? document.range[0]).line;
    const [error] = document.errors;
    if (error) {
      problems.push({ line: counter.linePos(error.pos[0]).line, message: firstLine(error.message) });
      continue;
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount: mostAliases });
      if (value === null || value === undefined) continue;
      const items = textAt(value, 'kind') === 'List' ? listAt(value, 'items') : [value];
      for (const item of items) {
        const problem = problemOf(item);
        if (problem === undefined) objects.push(item as JsonObject);
        else problems.push({ line: start, message: problem });
      }
    } catch (error_) {
      problems.push({ line: start, message: firstLine(error_ instanceof Error ? error_.message : String(error_)) });
    }
  }
  return { objects, problems };
}

function problemOf(item: unknown): string | undefined {
  if (!isJsonObject(item)) return 'expected an object with apiVersion, kind and metadata';
  if (textAt(item, 'kind') === undefined) return 'the object has no kind';
  if (textAt(item, 'metadata', 'name') === undefined) return `the ${textAt(item, 'kind')!} has no metadata.name`;
  return undefined;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
