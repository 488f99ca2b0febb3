import { isJsonObject } from './json.ts';

/**
 * The text in one line, without control and format characters (Unicode category C). Text that other programs choose, such as names of tables, must not control the
 * terminal and must not forge a line.
 */
export function printable(text: string): string {
  return text.replaceAll(/\s/g, ' ').replaceAll(/\p{C}/gu, '?');
}

/** Parses JSON and makes its texts printable, also the names of fields. Throws a SyntaxError. */
export function parsePrintable(json: string): unknown {
  return JSON.parse(json, (_, value: unknown) => {
    if (typeof value === 'string') return printable(value);
    if (!isJsonObject(value) || Object.keys(value).every((key) => printable(key) === key)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [printable(key), each]));
  });
}
