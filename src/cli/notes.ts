import { printable } from '../lib/printable.ts';

/** A line for each different note. Paths of issues hold names of fields that a tenant chooses. */
export function renderNotes(texts: Iterable<string>): string {
  return [...new Set(texts)].map((text) => `note: ${printable(text)}\n`).join('');
}
