import { brokenPromises, type Result, type Share } from './result.ts';

const header = ['Fault', 'Tries', 'Forbidden through', 'Allowed lost', 'Time to right again: median', 'max'];

/** A Markdown table, formatted as by oxfmt. */
export function renderTable(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { title, tries, forbiddenThrough, allowedLost, timesToRight, window } = result;
    const limit = window === undefined ? '' : ` (window at most ${seconds(window)})`;
    return [
      `${title}${limit}`,
      String(tries),
      share(forbiddenThrough),
      share(allowedLost),
      timesToRight.length > 0 ? seconds(median(timesToRight)) : '–',
      timesToRight.length > 0 ? seconds(Math.max(...timesToRight)) : '–',
    ];
  });
  const widths = header.map((name, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]!.length), name.length),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** One line for each result with a broken guarantee. */
export function renderBroken(results: readonly Result[]): string[] {
  return results.flatMap((result) => brokenPromises(result).map((what) => `${result.name}: ${what}`));
}

function share({ bad, of }: Share): string {
  return `${bad} of ${of}`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((values.length - 1) / 2)]! + sorted[Math.floor(values.length / 2)]!) / 2;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
