/** One measurement; of a pair both sides, so that a sceptic can do the division. */
export interface Run {
  readonly value: number;
  readonly ours?: number;
  readonly baseline?: number;
}

export type Bar = { readonly atLeast: number } | { readonly atMost: number };

export interface Figure {
  /** Of the bar, as `B1`; several figures share one. */
  readonly id: string;
  /** Names the figure within its bar, and what it was measured on: `bulk TCP, 1,000 policies`. */
  readonly what: string;
  readonly unit: 'ratio' | 's' | 'ms' | 'MB' | '% of a core' | 'changes waiting' | 'runs of nft';
  /** Where there is none the figure is only shown. */
  readonly bar?: Bar;
  /** In the order in which they were made. */
  readonly runs: readonly Run[];
  /** What the two sides of a pair are measured in. */
  readonly sides?: 'ns' | 'ms' | 'Mbit/s' | '1/s';
  readonly curve?: Curve;
}

/** A point of a line in a picture. */
export interface Curve {
  readonly chart: string;
  readonly line: string;
  readonly x: number;
}

export interface Bench {
  readonly name: string;
  readonly summary: string;
  /** In words, what the other side of each pair is. */
  readonly against?: string;
  run(progress: (message: string) => void): Promise<Figure[]>;
}

/** The figure as it is published. */
export interface Result {
  readonly id: string;
  readonly what: string;
  readonly unit: Figure['unit'];
  /** What is compared with the bar: the bound on the median that the bar makes hard (95%), or the median where there is no bar. */
  readonly value: number;
  readonly bar: number | undefined;
  readonly holds: boolean | undefined;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** Which way from the bar is worse. */
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

/** How many of `count` sorted runs may be passed over so that the next is, with 95% confidence, beyond the median; distribution-free, by the binomial. */
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
