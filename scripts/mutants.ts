/**
 * `npm run mutants` shows whether the unit suite notices wrong lines. Each mutant of test/mutants.ts is planted alone in a copy of the repository,
 * and some test must fail there. Failing to load is no kill: it says nothing about behaviour. `npm test` runs a sample.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { mutants, type Mutant } from '../test/mutants.ts';
import { leftOut, takeSample } from '../test/support/sample.ts';
import { findCode } from './find-code.ts';
import { runCommand } from './run-command.ts';
import { formatTally, readTally, reportTally, tallyVariable } from './tally.ts';

const usage = `Usage: npm run mutants [-- WORDS]

Plants wrong lines one by one in a copy of the repository, after one run of the unit tests without any. The tests must fail for each line.
All lines take hours.

  WORDS    only mutants whose names contain the words

Examples:
  npm run mutants
  npm run mutants -- 'a block'

Exits with 1 if no test notices one of the lines.
`;
const [words = ''] = process.argv.slice(2);
if (words === '-h' || words === '--help') {
  process.stdout.write(usage);
  process.exit();
}

const root = resolve(import.meta.dirname, '..');
/** Left out of copies. */
const unwanted = new Set(['.git', 'node_modules', 'coverage', 'dist']);
/** The unit suite without the specs of rooms that hold no mutants, and without replays: pure rooms are judged by their own tests. */
const elsewhere =
  'test/{lab,kernel,replays,house,scripts,watch,apply,agent,telemetry,config,cli,manifests,monitoring}/**';
const suite = `--ignore '${elsewhere}' --ignore 'test/**/*.kernel.test.ts' 'test/**/*.test.ts'`;
const minutes = 6;

const passed: string[] = [];
const failed: string[] = [];
const all = mutants.filter(({ name }) => name.includes(words));
const wanted = takeSample(all, { what: 'mutants', count: 60, nameOf: ({ name }) => name, suite: 'mutants' });
const isSample = wanted !== all;
/** Beside a sample other suites run. They say whether the unit tests are green; here a tenth of the cases shows that a copy is no other. */
const workers = isSample ? 1 : Math.min(2, availableParallelism());
const [baseline, baselineEnv] = isSample ? [quote(findSpecs()), { POSTERN_RUNS: '0.1' }] : [suite, {}];
const copies = Array.from({ length: workers }, copyRepository);
try {
  const [first] = copies;
  const green = await runSpecs(first!, baseline, baselineEnv);
  if (green.outcome === 'green') {
    const queue = [...wanted];
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => queue.splice(0));
    await Promise.all(copies.map((copy) => work(copy, queue)));
  } else {
    failed.push(`the suite is not green without a mutant: ${green.detail}`);
    console.log(green.output);
  }
} finally {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
}
const tally = { passed: passed.length, failed, skipped: [], leftOut };
reportTally(tally);
console.log(formatTally(tally));
process.exitCode = failed.length > 0 ? 1 : 0;

async function work(copy: string, queue: Mutant[]): Promise<void> {
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    const start = performance.now();
    const { killed, how } = await judge(copy, mutant);
    (killed ? passed : failed).push(`mutant: ${mutant.name}`);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${killed ? 'killed    ' : 'NOT KILLED'} ${mutant.name} (${how}, ${seconds} s)`);
  }
}

async function judge(copy: string, mutant: Mutant): Promise<{ killed: boolean; how: string }> {
  const file = join(copy, mutant.file);
  const source = readFileSync(file, 'utf8');
  const places = findCode(source, mutant.find);
  const [place] = places;
  if (!place || places.length > 1)
    return { killed: false, how: `its line stands ${places.length} times in ${mutant.file}` };
  writeFileSync(file, source.slice(0, place.start) + mutant.replace + source.slice(place.end));
  try {
    const rounds = [quote(mutant.specs), suite];
    for (const specs of rounds) {
      const { outcome, detail } = await runSpecs(copy, specs);
      if (outcome === 'red') return { killed: true, how: detail };
      if (outcome === 'broken') return { killed: false, how: detail };
    }
    return { killed: false, how: 'no test noticed' };
  } finally {
    writeFileSync(file, source);
  }
}

interface Run {
  readonly outcome: 'green' | 'red' | 'broken';
  readonly detail: string;
  readonly output: string;
}

async function runSpecs(copy: string, specs: string, env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const file = join(copy, 'tally.json');
  rmSync(file, { force: true });
  const { exitCode, timedOut, output } = await runCommand(`node_modules/.bin/mocha --bail ${specs}`, {
    cwd: copy,
    env: { ...env, [tallyVariable]: file },
    minutes,
    show: false,
  });
  if (timedOut) return { outcome: 'red', detail: `no end after ${minutes} minutes`, output };
  const counted = readTally(file);
  if (!counted) return { outcome: 'broken', detail: 'it does not load', output };
  const [failure] = counted.failed;
  if (failure !== undefined) return { outcome: 'red', detail: failure, output };
  return { outcome: exitCode === 0 ? 'green' : 'broken', detail: `exit code ${exitCode}`, output };
}

function findSpecs(): string[] {
  return [...new Set(wanted.flatMap(({ specs }) => specs))];
}

function quote(files: readonly string[]): string {
  return files.map((file) => `'${file}'`).join(' ');
}

function copyRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), 'postern-mutant-'));
  const filter = (path: string): boolean => path === root || !unwanted.has(basename(path));
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true, filter });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}
