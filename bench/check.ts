import type { Result } from './figure.ts';

/** What the file of recorded figures holds of each: `atLeast` or `atMost` says which way is worse. */
export interface Recorded {
  readonly id: string;
  readonly what: string;
  readonly median: number;
  readonly worse: 'less' | 'more';
  /** How much of the recorded figure may be missing, or added, before it counts. */
  readonly room: number;
}

/** What is worth comparing on another day: ratios that have a bar. Packets differ by less from run to run than processes do. */
export function recordedOf(results: readonly Result[]): Recorded[] {
  return results
    .filter(({ unit, bar }) => unit === 'ratio' && bar !== undefined)
    .map(({ id, what, median, worse }) => ({ id, what, median, worse: worse!, room: id < 'B3' ? 0.1 : 0.5 }));
}

/** The ratios whose median is worse than the recorded one by more than its room, in words. Figures that are not recorded are not compared. */
export function lostGround(
  results: readonly Pick<Result, 'id' | 'what' | 'median'>[],
  recorded: readonly Recorded[],
): string[] {
  return results.flatMap(({ id, what, median }) => {
    const before = recorded.find((each) => each.id === id && each.what === what);
    if (!before) return [];
    const limit = before.median * (before.worse === 'less' ? 1 - before.room : 1 + before.room);
    const isWorse = before.worse === 'less' ? median < limit : median > limit;
    return isWorse ? [`${id}, ${what}: ${median.toPrecision(3)}, recorded ${before.median.toPrecision(3)}`] : [];
  });
}
