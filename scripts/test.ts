/** `npm test`: every check there is, cheapest first. All run, so that one report names all that is wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';
import { addTallies, formatTally, judgeStep, readTally, tallyVariable } from './tally.ts';
import type { Tally } from './tally.ts';

interface Step {
  /** A script of package.json. */
  readonly script: string;
  readonly minutes: number;
  /** Means nothing unless this one has passed. */
  readonly after?: string;
}

const steps: readonly Step[] = [
  { script: 'format', minutes: 1 },
  { script: 'lint', minutes: 2 },
  { script: 'typecheck', minutes: 2 },
  { script: 'test:unit', minutes: 10 },
  { script: 'test:kernel', minutes: 40 },
  { script: 'mutants', minutes: 30, after: 'test:unit' },
  { script: 'knip', minutes: 1 },
];

const tallies = new Map<string, Tally>();
const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true));
try {
  for (const step of steps) {
    if (interrupted) break;
    tallies.set(step.script, await runStep(step));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const total = addTallies([...tallies.values()]);
console.log();
for (const title of total.failed) console.log(`failed: ${title}`);
for (const { title, reason } of total.skipped) console.log(`skipped: ${title}: ${reason}`);
if (interrupted) console.log('interrupted: not all was run');
console.log(formatTally(total));
process.exitCode = total.failed.length > 0 || interrupted ? 1 : 0;

async function runStep({ script, minutes, after }: Step): Promise<Tally> {
  console.log(`\n=== ${script}`);
  if (after !== undefined && tallies.get(after)?.failed.length !== 0) {
    const reason = `needs ${after} to pass`;
    console.log(`skipped: ${reason}`);
    return { passed: 0, failed: [], skipped: [{ title: script, reason }], leftOut: [] };
  }
  const file = join(folder, script.replace(':', '-'));
  const start = performance.now();
  const { exitCode, timedOut } = await runCommand(`node --run ${script}`, {
    env: { [tallyVariable]: file },
    minutes,
    show: true,
  });
  if (timedOut) console.log(`${script}: stopped after ${minutes} minutes`);
  const tally = judgeStep(`npm run ${script}`, exitCode, readTally(file));
  console.log(`--- ${script}: ${formatTally(tally)} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return tally;
}
