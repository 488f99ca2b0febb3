/** One measurement; for a ratio with both values. */
export interface Run {
  readonly value: number;
  readonly ours?: number;
  readonly baseline?: number;
}

export type Bar = { readonly atLeast: number } | { readonly atMost: number };

export interface Figure {
  /** Id of the bar, for example `B1`; several figures can share it. */
  readonly id: string;
  /** Name of the figure within its bar, with the setup: `bulk TCP, 1,000 policies`. */
  readonly what: string;
  readonly unit: 'ratio' | 's' | 'ms' | 'MB' | '% of a core' | 'changes waiting' | 'runs of nft';
  /** Missing if the figure is informational. */
  readonly bar?: Bar;
  /** In the order of measurement. */
  readonly runs: readonly Run[];
  /** Unit of the two values of a ratio. */
  readonly sides?: 'ns' | 'ms' | 'Mbit/s' | '1/s' | 'objects';
  readonly curve?: Curve;
}

/** A point of a curve in a chart. */
export interface Curve {
  readonly chart: string;
  readonly line: string;
  readonly x: number;
}

export interface Bench {
  readonly name: string;
  readonly summary: string;
  /** Description of the baseline. */
  readonly against?: string;
  /** `false`: it is long, and runs only when it is named. Its figures are not published. */
  readonly byDefault?: false;
  run(progress: (message: string) => void): Promise<Figure[]>;
}

/** A published figure. */
export interface Result {
  readonly id: string;
  readonly what: string;
  readonly unit: Figure['unit'];
  /** The value to compare with the bar: the unfavourable 95% confidence bound of the median; without a bar, the median. */
  readonly value: number;
  readonly bar: number | undefined;
  readonly holds: boolean | undefined;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** Direction that is worse than the bar. */
  readonly worse: 'less' | 'more' | undefined;
  readonly sides: Figure['sides'];
  readonly curve: Curve | undefined;
  readonly runs: readonly Run[];
}

export function resultOf({ id, what, unit, bar, runs, sides, curve }: Figure): Result {
  if (runs.length === 0) throw new Error(`${id}, ${what}: nothing was measured`);
  const sorted = runs.map(({ value }) => value).sort((a, b) => a - b);
  const [min, max] = [sorted[0]!, sorted.at(-1)!];
  const common = { id, what, unit, min, median: medianOf(sorted), max, sides, curve, runs };
  if (!bar) return { ...common, value: common.median, bar: undefined, holds: undefined, worse: undefined };
  const rank = boundRank(sorted.length);
  if ('atLeast' in bar) {
    const value = sorted[rank]!;
    return { ...common, value, bar: bar.atLeast, holds: value >= bar.atLeast, worse: 'less' };
  }
  const value = sorted[sorted.length - 1 - rank]!;
  return { ...common, value, bar: bar.atMost, holds: value <= bar.atMost, worse: 'more' };
}

/** Rank of the distribution-free 95% confidence bound of the median among `count` sorted runs (binomial distribution). */
export function boundRank(count: number): number {
  let tail = 0;
  let term = 0.5 ** count;
  for (let rank = 0; rank < count; rank++) {
    tail += term;
    if (tail > 0.05) return Math.max(0, rank - 1);
    term *= (count - rank) / (rank + 1);
  }
  return 0;
}

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
