export interface CodePlace {
  readonly start: number;
  readonly end: number;
}

/** Finds all places of a piece of TypeScript in a source. Line breaks, spaces and comments do not matter. */
export function findCode(source: string, wanted: string): CodePlace[] {
  const [haystack, needle] = [squeeze(source), squeeze(wanted).text];
  if (needle === '') return [];
  const isListItem = wanted.trimEnd().endsWith(',');
  const places: CodePlace[] = [];
  for (let at = haystack.text.indexOf(needle); at >= 0; at = haystack.text.indexOf(needle, at + 1)) {
    const end = haystack.offsets[at + needle.length - 1]! + 1;
    places.push({ start: haystack.offsets[at]!, end: isListItem && source[end] === ',' ? end + 1 : end });
  }
  return places;
}

/** Strings come first, because a string can contain the start of a comment. The formatter adds or removes a comma before a closing bracket. */
const pieces =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\\n])*`|(?<skipped>\/\/[^\n]*|\/\*[^]*?\*\/|\s+|,(?=\s*(?:[)\]}]|$)))|[^]/g;

function squeeze(source: string): { readonly text: string; readonly offsets: readonly number[] } {
  const offsets: number[] = [];
  let text = '';
  for (const { 0: piece, index, groups } of source.matchAll(pieces)) {
    if (groups?.['skipped'] !== undefined) continue;
    for (let at = 0; at < piece.length; at++) {
      if (/\s/.test(piece[at]!)) continue;
      text += piece[at];
      offsets.push(index + at);
    }
  }
  return { text, offsets };
}
