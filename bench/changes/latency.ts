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

const shares = { p50: 0.5, p99: 0.99 } as const;

/** The most that a ratio, or a time in milliseconds, may be. */
export type LatencyBars = Readonly<Partial<Record<keyof typeof shares, number>>>;

/** Of a change relative to one element by netlink. */
export const barsOfChanges: LatencyBars = { p50: 2, p99: 3 };

/** Two figures of times: the median and the 99th percentile of each round, without a baseline. */
export function timeFigures(
  id: string,
  what: string,
  rounds: readonly (readonly number[])[],
  bars: LatencyBars = {},
): Figure[] {
  return figuresOf(id, what, bars, (share) => ({
    unit: 'ms',
    runs: rounds.map((values) => ({ value: percentile(values, share) })),
  }));
}

/** The same of ratios. */
export function latencyFigures(
  id: string,
  what: string,
  rounds: readonly Round[],
  bars: LatencyBars = barsOfChanges,
): Figure[] {
  return figuresOf(id, what, bars, (share) => ({
    unit: 'ratio',
    sides: 'ms',
    runs: rounds.map((round) => ratioOf(round, share)),
  }));
}

function figuresOf(
  id: string,
  what: string,
  bars: LatencyBars,
  measured: (share: number) => Pick<Figure, 'unit' | 'runs' | 'sides'>,
): Figure[] {
  return (['p50', 'p99'] as const).map((name) => {
    const atMost = bars[name];
    const bar = atMost === undefined ? {} : { bar: { atMost } };
    return { id, what: `${what}, ${name}`, ...measured(shares[name]), ...bar };
  });
}
