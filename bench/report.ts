import type { Result } from './figure.ts';

/** One line: whether the figure holds, its bound, the bar, and the runs. */
export function formatResult(result: Result): string {
  const { id, what, unit, value, min, median, max, runs } = result;
  const verdict = result.holds === undefined ? '    ' : result.holds ? 'ok  ' : 'MISS';
  const bar = result.bar === undefined ? '' : ` (bar ${result.bar})`;
  const seen =
    runs.length === 1 ? '' : ` min ${format(min)}, median ${format(median)}, max ${format(max)} of ${runs.length}`;
  return `${verdict} ${id}  ${format(value)}${unit === 'ratio' ? '' : ` ${unit}`}${bar}  ${what}${seen && `;${seen}`}${sidesOf(result)}`;
}

function sidesOf({ sides, runs }: Result): string {
  if (!sides) return '';
  const middle = (side: 'ours' | 'baseline'): string => {
    const values = runs.map((run) => run[side] ?? NaN).sort((a, b) => a - b);
    return format(values[values.length >> 1]!);
  };
  return ` [${middle('ours')} : ${middle('baseline')} ${sides}]`;
}

export function format(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
