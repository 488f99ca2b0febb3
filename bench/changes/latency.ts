import type { Figure, Run } from '../figure.ts';

/** Nearest-rank percentile: the smallest value that at least this share of all values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('no values');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** Measurements of one round in milliseconds. */
export interface Round {
  readonly ours: readonly number[];
  readonly baseline: readonly number[];
}

function ratioOf({ ours, baseline }: Round, share: number): Run {
  const [a, b] = [percentile(ours, share), percentile(baseline, share)];
  return { value: a / b, ours: a, baseline: b };
}

/** A figure of the median of each round, without a baseline. */
export function timeFigure(id: string, what: string, rounds: readonly (readonly number[])[]): Figure {
  return { id, what: `${what}, p50`, unit: 'ms', runs: rounds.map((values) => ({ value: percentile(values, 0.5) })) };
}

/** Two latency figures: the median and the 99th percentile of each round. */
export function latencyFigures(id: string, what: string, rounds: readonly Round[], withBars = true): Figure[] {
  return (
    [
      ['p50', 0.5, 2],
      ['p99', 0.99, 3],
    ] as const
  ).map(([name, share, atMost]) => ({
    id,
    what: `${what}, ${name}`,
    unit: 'ratio',
    sides: 'ms',
    ...(withBars && { bar: { atMost } }),
    runs: rounds.map((round) => ratioOf(round, share)),
  }));
}
