/**
 * Runs parts of the matrix in a virtual machine: `inside.ts FACTOR PART…`. Writes a report to the file of the tally after each part, so that what has
 * ended counts even if the rest does not end.
 */
import { globSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkNfTables, checkNftVersion } from '../../src/apply/environment.ts';
import { exec } from '../../src/apply/exec.ts';
import { runCommand } from '../run-command.ts';
import { formatTally, judgeStep, readTally, tallyVariable, type Tally } from '../tally.ts';
import { parts, type Part } from './parts.ts';

export interface Report {
  /** As `uname -r` prints it. */
  readonly linux: string;
  /** Why the agent would not be ready on this kernel, or with this nft. Then no part runs. */
  readonly refused?: string | undefined;
  readonly tallies: Readonly<Record<string, Tally>>;
}

const [factor = '1', ...names] = process.argv.slice(2);
const { signal } = new AbortController();
const refused = (await checkNftVersion(exec, signal)) ?? (await checkNfTables(exec, signal));
const tallies: Record<string, Tally> = {};
write();
if (refused === undefined) {
  for (const part of parts) {
    if (!names.includes(part.name)) continue;
    tallies[part.name] = await run(part);
    write();
  }
} else {
  console.log(`refused: ${refused}`);
}

function write(): void {
  const report: Report = { linux: release(), refused, tallies };
  writeFileSync(process.env[tallyVariable]!, JSON.stringify(report));
}

async function run({ name, files, only, sample = '1', minutes }: Part): Promise<Tally> {
  const file = join(tmpdir(), 'tally');
  rmSync(file, { force: true });
  const start = performance.now();
  const env = { [tallyVariable]: file, POSTERN_TIME_FACTOR: factor, POSTERN_RUNS: '0.1', POSTERN_SAMPLE: sample };
  const chosen = only === undefined ? [] : ['--grep', `'${only}'`];
  const command = ['mocha', '--exit', '--no-color', ...chosen, ...globSync(files)].join(' ');
  const { exitCode, timedOut, output } = await runCommand(command, { env, minutes, show: false });
  const tally = judgeStep(name, exitCode, readTally(file));
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  if (tally.failed.length > 0) console.log(`\n=== ${name}\n${output}`);
  console.log(`--- ${name}: ${formatTally(tally)} in ${seconds} s${timedOut ? ', stopped' : ''}`);
  return tally;
}
