import { shortHash } from '../../src/lib/hash.ts';

/** What this process leaves out. The reporter hands it on, so that it stands at the end of the run. */
export const leftOut: string[] = [];

/** `npm run check` and `npm test` set it. Without it every test runs. */
const isSample = process.env['POSTERN_SAMPLE'] === '1';

export interface Sample<T> {
  /** What they are, in the plural. */
  readonly what: string;
  readonly count: number;
  readonly nameOf: (each: T) => string;
  /** The name of the suite, which `npm run test:whole` takes. */
  readonly suite: string;
}

/** A fixed choice in a sample, by a hash of the names, in the order of `all`; everything in a whole run. */
export function takeSample<T>(all: readonly T[], { what, count, nameOf, suite }: Sample<T>): readonly T[] {
  if (!isSample || count >= all.length) return all;
  const hashes = new Map(all.map((each) => [each, shortHash(nameOf(each))]));
  const chosen = new Set(all.toSorted((a, b) => (hashes.get(a)! < hashes.get(b)! ? -1 : 1)).slice(0, count));
  leftOut.push(`${all.length - count} of ${all.length} ${what}; all: npm run test:whole -- ${suite}`);
  return all.filter((each) => chosen.has(each));
}
