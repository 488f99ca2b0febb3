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
 * The objects in the list of nft's JSON, one at a time: all at once those of a large table are several times the text. Throws on text
 * that is not nft's JSON.
 */
export function* entriesOf(json: string): Generator<JsonObject> {
  const head = start.exec(json);
  if (!head) throw new SyntaxError(`not what nft prints: ${json.slice(0, 80)}`);
  let from = head[0].length;
  for (;;) {
    const first = json.indexOf('{', from);
    if (first < 0) break;
    if (!separators.test(json.slice(from, first))) throw new SyntaxError('not a list of objects');
    from = endOfObject(json, first);
    yield JSON.parse(json.slice(first, from)) as JsonObject;
  }
  if (!end.test(json.slice(from))) throw new SyntaxError('what nft has printed does not end');
}

/** Where the object that begins at `first` has ended; the end of the text where it does not. */
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

/** Where the closing quotation mark is. */
function endOfString(json: string, opening: number): number {
  for (let i = opening + 1; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === quote) return i;
    if (code === backslash) i++;
  }
  return json.length;
}
