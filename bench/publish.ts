import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tableOfBars } from './bars.ts';
import { recordedOf } from './check.ts';
import type { Result } from './figure.ts';
import { plotCurves } from './plot.ts';
import { format } from './report.ts';

const page = new URL('../docs/performance/all.md', import.meta.url);
const pictures = new URL('../docs/performance/', import.meta.url);
const begin = '<!-- figures: npm run bench -- --publish -->';
const end = '<!-- end of figures -->';

/** Writes the figures of a complete run and their charts into the docs, and the file that `--check` compares with. */
export async function publish(
  results: readonly Result[],
  machine: Readonly<Record<string, unknown>>,
  recorded: URL,
): Promise<void> {
  await mkdir(pictures, { recursive: true });
  const curves = [...plotCurves(results)].map(([title, svg]) => ({
    title,
    svg,
    file: `${title.replaceAll(/\W+/g, '-').toLowerCase()}.svg`,
  }));
  for (const { file, svg } of curves) await writeFile(new URL(file, pictures), svg);
  const text = await readFile(page, 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`docs/performance/all.md has no place for figures: ${begin}`);
  const images = curves.map(({ title, file }) => `![${title}](${file})`);
  const rows = `<details>\n<summary>All ${results.length} figures</summary>\n\n${tableOf(results)}\n\n</details>`;
  const body = [describeMachine(machine), tableOfBars(results, text), ...images, rows].join('\n\n');
  await writeFile(page, `${before}${begin}\n\n${body}\n\n${end}${after}`);
  await writeFile(recorded, `${JSON.stringify(recordedOf(results), undefined, 2)}\n`);
}

function describeMachine(machine: Readonly<Record<string, unknown>>): string {
  const { kernel, nft, node, processors, model, memoryMB } = machine;
  return `Linux ${String(kernel)}, ${String(nft)}, Node ${String(node)}; ${String(processors)} processors (${String(model)}), ${String(memoryMB)} MB.`;
}

function tableOf(results: readonly Result[]): string {
  const rows = results.map(({ id, what, unit, value, bar, holds, min, median, max, runs }) => {
    const shown = bar === undefined ? '' : `${format(value)} (${format(bar)})`;
    const verdict = holds === undefined ? '' : holds ? 'yes' : '**no**';
    const of = unit === 'ratio' ? '' : ` ${unit}`;
    return `| ${id} | ${what} | ${shown} | ${verdict} | ${format(min)} | ${format(median)}${of} | ${format(max)} | ${runs.length} |`;
  });
  return [
    '| | What | Bound (bar) | Holds | Min | Median | Max | Runs |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
