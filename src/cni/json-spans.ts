/** Where a value begins and ends in a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface MemberSpan extends Span {
  readonly key: string;
}

/** The values of a JSON object. `text` must be valid JSON, and an object must begin at `start`, after white space. */
export function memberSpans(text: string, start = 0): MemberSpan[] {
  return spans(text, start, (at) => {
    const end = skipText(text, at);
    const value = skipSpace(text, skipSpace(text, end) + 1);
    return { key: JSON.parse(text.slice(at, end)) as string, start: value, end: skipValue(text, value) };
  });
}

/** The elements of a JSON array, as `memberSpans`. */
export function elementSpans(text: string, start: number): Span[] {
  return spans(text, start, (at) => ({ start: at, end: skipValue(text, at) }));
}

function spans<T extends Span>(text: string, start: number, read: (at: number) => T): T[] {
  const found: T[] = [];
  let at = skipSpace(text, skipSpace(text, start) + 1);
  while (text[at] !== '}' && text[at] !== ']') {
    const span = read(at);
    found.push(span);
    at = skipSpace(text, span.end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

function skipValue(text: string, start: number): number {
  let at = start;
  let depth = 0;
  do {
    const character = text[at]!;
    if (character === '"') at = skipText(text, at);
    else if (depth === 0 && !'{['.includes(character)) return at + /^[^\s,\]}]*/.exec(text.slice(at))![0].length;
    else {
      if ('{['.includes(character)) depth++;
      else if ('}]'.includes(character)) depth--;
      at++;
    }
  } while (depth > 0);
  return at;
}

function skipText(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (' \t\r\n'.includes(text[at] ?? 'x')) at++;
  return at;
}
