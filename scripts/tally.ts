import { readFileSync, writeFileSync } from 'node:fs';

/** What a step counted. A skip without a reason is a failure, so every skip here has one. */
export interface Tally {
  readonly passed: number;
  /** Titles. */
  readonly failed: readonly string[];
  readonly skipped: readonly Skip[];
  /** What this run has not done, and the command that does all. */
  readonly leftOut: readonly string[];
}
export interface Skip {
  readonly title: string;
  readonly reason: string;
}

/** Names the file in which a step that runs tests leaves its tally. */
export const tallyVariable = 'POSTERN_TALLY';

/** For the step itself: hands the tally to whoever asked for one. */
export function reportTally(tally: Tally): void {
  const file = process.env[tallyVariable];
  if (file !== undefined) writeFileSync(file, JSON.stringify(tally));
}

/** `undefined` if the step left none. */
export function readTally(file: string): Tally | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return undefined;
  }
}

const nothing: Tally = { passed: 0, failed: [], skipped: [], leftOut: [] };

/** The tally of a step that ended with `exitCode`: one that counts nothing is one check, and one that counts must have counted something. */
export function judgeStep(title: string, exitCode: number, counted: Tally | undefined): Tally {
  if (!counted) return exitCode === 0 ? { ...nothing, passed: 1 } : { ...nothing, failed: [title] };
  if (counted.failed.length > 0) return counted;
  if (exitCode !== 0) return { ...counted, failed: [`${title}: exit code ${exitCode}`] };
  if (counted.passed + counted.skipped.length === 0) return { ...counted, failed: [`${title}: ran no test`] };
  return counted;
}

export function addTallies(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failed: tallies.flatMap((tally) => tally.failed),
    skipped: tallies.flatMap((tally) => tally.skipped),
    leftOut: tallies.flatMap((tally) => tally.leftOut),
  };
}

/** The last line of `npm test`. */
export function formatTally(tally: Tally): string {
  return `${tally.passed} passed, ${tally.failed.length} failed, ${tally.skipped.length} skipped`;
}
