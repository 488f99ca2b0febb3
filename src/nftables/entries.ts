import type { JsonObject } from './json.ts';

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const start = /^\s*\{\s*"nftables"\s*:\s*\[/;
const end = /^\s*\]\s*\}\s*$/;
const separators = /^[\s,]*$/;

/**
 * Yields the objects in nft's JSON one at a time; all objects of a large table together would take several times the memory of the text. Throws a
 * SyntaxError if the text is not nft's JSON.
 */
export function* entriesOf(json: string): Generator<JsonObject> {
  const head = start.exec(json);
  if (!head) throw new SyntaxError(`not JSON of nft: ${json.slice(0, 80)}`);
  let from = head[0].length;
  for (;;) {
    const first = json.indexOf('{', from);
    if (first < 0) break;
    if (!separators.test(json.slice(from, first))) throw new SyntaxError('not a list of objects');
    from = endOfObject(json, first);
    yield JSON.parse(json.slice(first, from)) as JsonObject;
  }
  if (!end.test(json.slice(from))) throw new SyntaxError('the JSON of nft is truncated');
}

/** The index after the object that begins at `first`; the length of the text if the object is truncated. */
function endOfObject(json: string, first: number): number {
  let depth = 0;
  for (let i = first; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case quote:
        i = endOfString(json, i);
        break;
      case openBrace:
      case openBracket:
        depth++;
        break;
      case closeBrace:
      case closeBracket:
        if (--depth === 0) return i + 1;
    }
  }
  return json.length;
}

/** The index of the closing quotation mark. */
function endOfString(json: string, opening: number): number {
  for (let i = opening + 1; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === quote) return i;
    if (code === backslash) i++;
  }
  return json.length;
}
