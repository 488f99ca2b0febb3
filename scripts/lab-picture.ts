/**
 * `npm run lab:picture`: runs the lab of `npm run lab` and draws the matrix that it prints as docs/lab.svg. The lab prints no colours,
 * so the picture has none.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const prompt = '$ npm run lab    # in part';
const cell = { width: 8.4, height: 20 };
const margin = 20;
const bar = 36;

/** Draws text as a dark terminal, which is legible on light and on dark pages. */
export function drawTerminal(text: string): string {
  const lines = [prompt, '', ...text.trimEnd().split('\n')];
  const width = Math.ceil(Math.max(...lines.map(({ length }) => length)) * cell.width) + 2 * margin;
  const height = bar + lines.length * cell.height + margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#0d1117" stroke="#6e7681"/>`,
    ...[0, 1, 2].map((dot) => `<circle cx="${margin + 5 + dot * 18}" cy="18" r="5" fill="#6e7681"/>`),
    '<g font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14" fill="#e6edf3" xml:space="preserve">',
    ...lines.map((line, index) => drawLine(line, bar + (index + 0.75) * cell.height)),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** Returns the text of a picture without the prompt. */
export function readTerminal(svg: string): string {
  const lines = Array.from(svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g), ([, line]) => line!);
  return `${lines.slice(2).join('\n').replaceAll('&lt;', '<').replaceAll('&amp;', '&')}\n`;
}

/** `textLength` keeps columns straight in any font. */
function drawLine(line: string, y: number): string {
  const length = (line.length * cell.width).toFixed(1);
  const escaped = line.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${margin}" y="${y}" textLength="${length}">${escaped}</text>`;
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..');
  const command = [join(root, 'src/main.ts'), 'lab', 'run', '-f', join(root, 'examples/first-light')];
  const printed = execFileSync(process.execPath, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const matrix = /^Rows connect to columns\.[^]*?^\. allowed .*\n/m.exec(printed);
  if (!matrix) throw new Error(`the lab printed no matrix, so docs/lab.svg stays as it was:\n${printed}`);
  writeFileSync(join(root, 'docs/lab.svg'), drawTerminal(matrix[0]));
}
