import { loadYaml } from '@kubernetes/client-node';

/** One document of a YAML or JSON stream. */
export type Document =
  | { readonly index: number; readonly line: number; readonly value: unknown }
  | { readonly index: number; readonly line: number; readonly error: string };

/** Reads a multi-document stream; JSON is YAML. A broken document does not keep the others from being read. Lines and indices from 1. */
export function readDocuments(text: string): Document[] {
  return splitDocuments(text).map(({ line, lines }, position) => {
    const index = position + 1;
    try {
      return { index, line, value: readAsWritten(lines) };
    } catch (error) {
      const { reason, mark } = error as { reason?: string; mark?: { line: number } };
      // The mark counts from 0, and its line 0 is the one that readAsWritten adds.
      return { index, line: line + Math.max((mark?.line ?? 1) - 1, 0), error: reason ?? String(error) };
    }
  });
}

/**
 * client-node's loader makes typed objects, which forget fields that it does not know; but those are what must not be lost (S9.9).
 * Values of a list it leaves alone, so the document goes in as the one entry of a list.
 */
function readAsWritten(lines: readonly string[]): unknown {
  const indented = lines.map((line) => (line === '' ? '' : `  ${line}`));
  return loadYaml<unknown[]>(`-\n${indented.join('\n')}\n`)[0];
}

/** Cuts at `---` and `...`, which no scalar can contain at the start of a line, and drops `%` directives before a document. */
function splitDocuments(text: string): { line: number; lines: string[] }[] {
  const documents: { line: number; lines: string[] }[] = [];
  let current: { line: number; lines: string[] } | undefined;
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
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
