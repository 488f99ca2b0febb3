/**
 * `npm run check`, `npm test` and `npm run test:whole` run the suites of suites.ts, some side by side. They continue after a failure, so that one report
 * has all failures. Words select suites or kinds of them: `npm run test:whole -- attacks`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';
import { commandOf, environmentOf, runs, suitesOf, type Run, type Suite } from './suites.ts';
import { addTallies, formatTally, judgeStep, readTally, tallyVariable } from './tally.ts';
import type { Tally } from './tally.ts';

const [run, ...words] = process.argv.slice(2) as [Run, ...string[]];
const suites = suitesOf(run, words);
if (!runs.includes(run) || suites.length === 0) throw new Error('usage: test.ts check|test|whole [SUITE|KIND]…');
/** The output of a single suite is shown while it runs. Of several suites, only the output of those that fail is shown, when they end. */
const isAlone = suites.length === 1;

const queue = [...suites];
const tallies = new Map<Suite, Tally>();
const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
const begin = performance.now();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true;
    queue.length = 0;
  });
}
try {
  // One more than processors: kernel tests mostly wait, for agents, for answers that do not come, and for grace periods of the kernel.
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const total = addTallies([...tallies.values()]);
console.log();
const byReason = Map.groupBy(total.skipped, ({ reason }) => reason);
for (const [reason, skips] of byReason) {
  console.log(`skipped: ${skips.length}, for ${reason}`);
  for (const { title } of skips) console.log(`  ${title}`);
}
for (const each of [...total.leftOut, ...findMissing()]) console.log(`left out: ${each}`);
if (interrupted) console.log('interrupted: some suites did not run');
// Last, because a log may be cut at its beginning.
for (const title of total.failed) console.log(`failed: ${title}`);
console.log(`${suites.length} suites in ${formatElapsed(begin)}`);
console.log(formatTally(total));
process.exitCode = total.failed.length > 0 || interrupted ? 1 : 0;

function formatElapsed(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

/** The suites of `npm run test:whole` that this run does not have. */
function findMissing(): string[] {
  const names = suitesOf('whole').flatMap((suite) => (suites.includes(suite) ? [] : [suite.name]));
  if (words.length > 0 || names.length === 0) return [];
  return [`the suites ${names.join(', ')}; each: npm run test:whole -- NAME`];
}

async function work(): Promise<void> {
  for (let suite = queue.shift(); suite; suite = queue.shift()) {
    tallies.set(suite, await runSuite(suite));
  }
}

async function runSuite(suite: Suite): Promise<Tally> {
  const file = join(folder, suite.name);
  const start = performance.now();
  const minutes = run === 'whole' ? 60 : 25;
  const env = { ...environmentOf(suite, run), [tallyVariable]: file };
  const { exitCode, timedOut, output } = await runCommand(commandOf(suite), { env, minutes, show: isAlone });
  const tally = judgeStep(suite.name, exitCode, readTally(file));
  if (tally.failed.length > 0) console.log(`\n=== ${suite.name}\n${output}`);
  if (timedOut) console.log(`${suite.name}: stopped after ${minutes} minutes`);
  console.log(`--- ${suite.name}: ${formatTally(tally)} in ${formatElapsed(start)}`);
  return tally;
}
