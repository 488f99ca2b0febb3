import { readFileSync, writeFileSync } from 'node:fs';

/** Counts of a step. Every skip has a reason, because a skip without one is a failure. */
export interface Tally {
  readonly passed: number;
  /** Titles, with the beginning of the message. */
  readonly failed: readonly string[];
  readonly skipped: readonly Skip[];
  /** What this run has not done, and the command that does all. */
  readonly leftOut: readonly string[];
  /** The step has not ended. */
  readonly isPartial?: true;
}
export interface Skip {
  readonly title: string;
  readonly reason: string;
}

/** Environment variable with the path of the tally file. */
export const tallyVariable = 'POSTERN_TALLY';

/** Called by a step: writes the tally file, if the variable is set. */
export function reportTally(tally: Tally): void {
  const file = process.env[tallyVariable];
  if (file !== undefined) writeFileSync(file, JSON.stringify(tally));
}

/** Returns `undefined` if the step wrote no tally. */
export function readTally(file: string): Tally | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return undefined;
  }
}

const nothing: Tally = { passed: 0, failed: [], skipped: [], leftOut: [] };

/** The tally of a finished step. A step without a tally counts as one check; a step with a tally must have run a test. */
export function judgeStep(title: string, exitCode: number, counted: Tally | undefined): Tally {
  if (!counted) return exitCode === 0 ? { ...nothing, passed: 1 } : { ...nothing, failed: [title] };
  if (counted.isPartial) return { ...counted, failed: [...counted.failed, `${title}: did not end`] };
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
