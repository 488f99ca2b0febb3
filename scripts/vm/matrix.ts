import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { filesOf, suites, type Suite } from '../suites.ts';
import { addTallies, formatTally, judgeStep, readTally, type Tally } from '../tally.ts';
import { kernels, nftVersions, type KernelName, type NftVersion } from './kernels.ts';
import { runUnder, type Platform } from './run-under.ts';

const usage = `Usage: npm run matrix [-- [KERNEL…] [--suite NAME…] [--docs]]

Runs kernel tests under other Linux kernels and with other versions of nft (npm run vm), about two hours in all. Exits 1 if one fails.

  KERNEL             ${Object.keys(kernels).join(', ')}; without one, all
      --suite NAME   only this suite; may be repeated
      --docs         writes the table of docs/support.md

Examples:
  npm run matrix -- 6.1 --suite packets
  npm run matrix -- --docs
`;

/** The suites that depend on the kernel and on nft most: what nft accepts, and what packets meet. */
const wanted = ['nft', 'packets', 'services', 'spoofing', 'pod-starts', 'agent-life'] as const;
/** How much slower the virtual machine is, at most. Time limits of tests are so much longer there. */
const slowness = 12;

/** Each kernel with this machine's nft. The newest kernel of a stable Debian with the others. */
const platforms: readonly Platform[] = [
  ...(Object.keys(kernels) as KernelName[]).map((kernel) => ({ kernel })),
  ...(Object.keys(nftVersions) as NftVersion[]).map((nft) => ({ kernel: '6.12' as const, nft })),
];

interface Row {
  readonly platform: Platform;
  readonly tally: Tally;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { suite: { type: 'string', multiple: true }, docs: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const names = values.suite ?? wanted;
  const chosen = suites.filter(({ name }) => names.some((each) => each === name));
  const rows: Row[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'postern-matrix-'));
  try {
    for (const platform of platforms) {
      if (positionals.length > 0 && !positionals.includes(platform.kernel)) continue;
      const tallies: Tally[] = [];
      for (const suite of chosen) tallies.push(await runSuite(platform, suite, join(folder, 'tally')));
      rows.push({ platform, tally: addTallies(tallies) });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  for (const { platform, tally } of rows) {
    console.log(`${nameOf(platform)}: ${formatTally(tally)}`);
    for (const title of tally.failed) console.log(`  failed: ${title}`);
  }
  if (values.docs) await writeDocs(rows);
  return rows.some(({ tally }) => tally.failed.length > 0) ? 1 : 0;
}

async function runSuite(platform: Platform, suite: Suite, file: string): Promise<Tally> {
  await rm(file, { force: true });
  const output = new PassThrough();
  const printed = text(output);
  const started = performance.now();
  process.env.POSTERN_TIME_FACTOR = String(slowness);
  const { exitCode } = await runUnder(platform, ['mocha', ...filesOf(suite)], {
    megabytes: 4096,
    minutes: 60,
    output,
    tally: file,
    report: () => {},
  });
  output.end();
  const tally = judgeStep(suite.name, exitCode ?? 124, readTally(file));
  if (tally.failed.length > 0) console.log(`\n=== ${nameOf(platform)}, ${suite.name}\n${await printed}`);
  const minutes = (performance.now() - started) / 60_000;
  console.log(`--- ${nameOf(platform)}, ${suite.name}: ${formatTally(tally)} in ${minutes.toFixed(1)} minutes`);
  return tally;
}

function nameOf({ kernel, nft }: Platform): string {
  return `Linux ${kernel}, ${nft === undefined ? 'nft of this machine' : `nft ${nft}`}`;
}

const page = new URL('../../docs/support.md', import.meta.url);
const [begin, end] = ['<!-- npm run matrix -- --docs -->', '<!-- end of the matrix -->'];

async function writeDocs(rows: readonly Row[]): Promise<void> {
  const [before, rest] = (await readFile(page, 'utf8')).split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/support.md has no ${begin}`);
  const date = new Date().toISOString().slice(0, 10);
  const lines = rows.map(({ platform, tally }) => {
    const { passed, failed, skipped } = tally;
    return `| ${platform.kernel} | ${platform.nft ?? '1.1.3'} | ${passed} | ${failed.length} | ${skipped.length} | ${date} |`;
  });
  const header = ['| Linux | nft | Passed | Failed | Skipped | Date |', '| --- | --- | --- | --- | --- | --- |'];
  await writeFile(page, `${before}${begin}\n\n${[...header, ...lines].join('\n')}\n\n${end}${after}`);
}

process.exitCode = await main();
