import { loadYaml } from '@kubernetes/client-node';
import { readJson } from './json-text.ts';

/** One document of a YAML or JSON stream. */
export type Document =
  | { readonly index: number; readonly line: number; readonly value: unknown }
  | { readonly index: number; readonly line: number; readonly error: string };

/** Reads a YAML or JSON stream. A broken document does not affect the others. Lines and indices count from 1. */
export function readDocuments(given: string): Document[] {
  const text = given.replace(/^\uFEFF/, '');
  const json = readJson(text);
  if (json) return [{ index: 1, line: countLines(/^\s*/.exec(text)![0]), value: json }];
  return splitDocuments(text).map(({ line, lines }, position) => {
    const index = position + 1;
    try {
      return { index, line, value: readAsWritten(lines) };
    } catch (error) {
      const { reason, mark } = error as { reason?: string; mark?: { line: number } };
      // The mark counts from 0, and readAsWritten adds line 0.
      return { index, line: line + Math.max((mark?.line ?? 1) - 1, 0), error: reason ?? String(error) };
    }
  });
}

/**
 * The loader of client-node drops unknown fields of typed objects, but these must be reported (S9.9).
 * It does not change entries of a list, so the document becomes the only entry of a list.
 */
function readAsWritten(lines: readonly string[]): unknown {
  const indented = lines.map((line) => (line === '' ? '' : `  ${line}`));
  return loadYaml<unknown[]>(`-\n${indented.join('\n')}\n`)[0];
}

/** Splits at `---` and `...`, which no scalar can contain at the start of a line. Drops `%` directives before a document. */
function splitDocuments(text: string): { line: number; lines: string[] }[] {
  const documents: { line: number; lines: string[] }[] = [];
  let current: { line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const marker = /^(---|\.\.\.)(?=\s|$)(.*)$/.exec(line);
    if (marker) {
      current = undefined;
      const rest = marker[2]!.trim();
      if (marker[1] === '---' && rest !== '' && !rest.startsWith('#')) {
        documents.push((current = { line: index + 1, lines: [rest] }));
      }
    } else if (current) current.lines.push(line);
    else if (line.trim() !== '' && !line.startsWith('#') && !line.startsWith('%')) {
      documents.push((current = { line: index + 1, lines: [line] }));
    }
  }
  return documents;
}

function countLines(text: string): number {
  return text.split('\n').length;
}
