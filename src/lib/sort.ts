/** Code-unit order: the same on every machine, unlike locale order. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort(compareText);
}
