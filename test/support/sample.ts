import { shortHash } from '../../src/lib/hash.ts';

/** What this process leaves out. The reporter hands it on, so that it stands at the end of the run. */
export const leftOut: string[] = [];

/** `npm run check` and `npm test` set it to 1, and the matrix to `third` where a part wants so many. Without it every test runs. */
const sample = process.env['POSTERN_SAMPLE'];

export interface Sample<T> {
  /** What they are, in the plural. */
  readonly what: string;
  readonly count: number;
  readonly nameOf: (each: T) => string;
  /** The name of the suite, which `npm run test:whole` takes. */
  readonly suite: string;
}

/** A fixed choice in a sample, by a hash of the names, in the order of `all`; everything in a whole run. */
export function takeSample<T>(all: readonly T[], { what, count: least, nameOf, suite }: Sample<T>): readonly T[] {
  const count = sample === 'third' ? Math.max(least, Math.ceil(all.length / 3)) : least;
  if (sample === undefined || sample === '' || count >= all.length) return all;
  const hashes = new Map(all.map((each) => [each, shortHash(nameOf(each))]));
  const chosen = new Set(all.toSorted((a, b) => (hashes.get(a)! < hashes.get(b)! ? -1 : 1)).slice(0, count));
  leftOut.push(`${all.length - count} of ${all.length} ${what}; all: npm run test:whole -- ${suite}`);
  return all.filter((each) => chosen.has(each));
}
