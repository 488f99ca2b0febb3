import type { Result } from './figure.ts';

/** An entry of the file of recorded figures. `worse` defines which direction is worse. */
export interface Recorded {
  readonly id: string;
  readonly what: string;
  readonly median: number;
  readonly worse: 'less' | 'more';
}

/** Benches of packets: their rates vary less than times of processes. */
const ofPackets: ReadonlySet<string> = new Set(['B1', 'B2', 'B11', 'B12']);

/** Tolerated deviation from the recorded figure. */
function toleranceOf(id: string): number {
  return ofPackets.has(id) ? 0.1 : 0.15;
}

/** Selects ratios with a bar, which are comparable between days. */
export function recordedOf(results: readonly Result[]): Recorded[] {
  return results
    .filter(({ unit, bar }) => unit === 'ratio' && bar !== undefined)
    .map(({ id, what, median, worse }) => ({ id, what, median, worse: worse! }));
}

/** Lists ratios whose median is worse than the recorded one by more than the tolerance. Ignores figures without a record. */
export function findRegressions(
  results: readonly Pick<Result, 'id' | 'what' | 'median'>[],
  recorded: readonly Recorded[],
): string[] {
  return results.flatMap(({ id, what, median }) => {
    const before = recorded.find((each) => each.id === id && each.what === what);
    if (!before) return [];
    const tolerance = toleranceOf(id);
    const limit = before.median * (before.worse === 'less' ? 1 - tolerance : 1 + tolerance);
    const isWorse = before.worse === 'less' ? median < limit : median > limit;
    return isWorse ? [`${id}, ${what}: ${median.toPrecision(3)}, recorded ${before.median.toPrecision(3)}`] : [];
  });
}
