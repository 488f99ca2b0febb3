import { readFileSync } from 'node:fs';
import { readCells } from '../../support/doc-table.ts';

/** One thing that a row of docs/troubleshooting.md says of one command. */
export interface Entry {
  readonly symptom: string;
  /** A command line, or the link to a page. */
  readonly ask: string;
  /** The cell, or one of the names that it is a list of. */
  readonly says: string;
}

/** The rows, taken apart where a cell lists commands or names. A cell that is empty says what the one above it says. */
export function readEntries(): Entry[] {
  const page = readFileSync(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8');
  // The page's first table.
  const [, , ...rows] = /^(?:\|.*\n)+/m.exec(page)![0].trimEnd().split('\n').map(readCells);
  let [symptom, ask] = ['', ''];
  return rows.flatMap(([first = '', second = '', third = '']) => {
    symptom = first.replaceAll('*', '') || symptom;
    ask = second || ask;
    return listCode(ask).flatMap((each) => listCode(third).map((says) => ({ symptom, ask: each, says })));
  });
}

export function keyOf({ symptom, ask, says }: Entry): string {
  return `${symptom} | ${ask} | ${says}`;
}

/** The command line of a cell, or its link. */
export function toLine(ask: string): string {
  return named(/`([^`]*)`/.exec(ask)?.[1] ?? ask);
}

/** What stands as code in a cell, as a pattern of what is printed; `…` is anything. */
export function toPatterns(says: string): RegExp[] {
  const quoted = [...says.matchAll(/`([^`]*)`/g)].map(([, text]) => named(text!));
  return quoted.map(
    (text) => new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('…', '.*')),
  );
}

const names: Readonly<Record<string, string>> = { SHOP: 'shop', WEB: 'web', API: 'api', NODE: 'n1' };

/** With the names of the lab. */
function named(text: string): string {
  return text.replace(/\b(SHOP|WEB|API|NODE)\b/g, (word) => names[word]!);
}

/** The parts of a cell that is nothing but code with commas between; else the cell itself. */
function listCode(cell: string): string[] {
  return /^`[^`]*`(, `[^`]*`)*$/.test(cell) ? cell.split(', ') : [cell];
}
