import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isKernelName, isNftVersion, kernels, nftVersions, type KernelName, type NftVersion } from './kernels.ts';
import type { Report } from './inside.ts';
import { parts } from './parts.ts';
import { cellsOf, mergeRows, rowsOf, tableHeader, type Row } from './record.ts';
import { runUnder } from './run-under.ts';

const usage = `Usage: npm run matrix [-- [KERNEL…] [--nft VERSION]… [--part NAME]… [--json FILE]]

Runs kernel tests under other Linux kernels and with other versions of nft, one virtual machine after the other (npm run vm).
Prints a table at the end. Exits with 1 if a test fails. A platform that the agent refuses with a reason is no failure.

  KERNEL               ${Object.keys(kernels).join(', ')} (default: all)
      --nft VERSION    ${Object.keys(nftVersions).join(', ')} (default: all; some parts run with the image's version only)
      --part NAME      ${parts.map(({ name }) => name).join(', ')} (default: all)
      --json FILE      also writes the results into this file, beside those of other platforms

Examples:
  npm run matrix -- 6.1 --part rules
  npm run matrix -- --json docs/support.json && UPDATE_DOCS=1 npx mocha test/house/support-page.test.ts
`;

/** How much slower the virtual machine is, at most. Time limits of tests are so much longer there. A busy machine needs more. */
const timeFactor = process.env.POSTERN_TIME_FACTOR ?? '12';

interface Choice {
  readonly kernels: readonly KernelName[];
  readonly nft: readonly NftVersion[];
  readonly parts: readonly string[];
  readonly json: string | undefined;
}

function readChoice(): Choice | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nft: { type: 'string', multiple: true },
      part: { type: 'string', multiple: true },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const names = parts.map(({ name }) => name);
  const { nft = Object.keys(nftVersions), part = names, json } = values;
  const chosen = positionals.length > 0 ? positionals : Object.keys(kernels);
  const unknown = [
    ...chosen.filter((each) => !isKernelName(each)),
    ...nft.filter((each) => !isNftVersion(each)),
    ...part.filter((each) => !names.includes(each)),
  ];
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}\n\n${usage}`);
  return { kernels: chosen as KernelName[], nft: nft as NftVersion[], parts: part, json };
}

async function main(): Promise<number> {
  const choice = readChoice();
  if (!choice) {
    process.stdout.write(usage);
    return 0;
  }
  const rows: Row[] = [];
  for (const kernel of choice.kernels) {
    for (const nft of choice.nft) {
      const due = parts.filter((part) => choice.parts.includes(part.name) && part.nft.includes(nft));
      if (due.length === 0) continue;
      const minutes = 5 + due.reduce((sum, part) => sum + part.minutes, 0);
      const names = due.map(({ name }) => name);
      console.log(`\n=== Linux ${kernel}, nft ${nft}: ${names.join(', ')}`);
      const report = await run(kernel, nft, names, minutes);
      const fresh = rowsOf({ kernel, nft }, names, report, new Date().toISOString().slice(0, 10));
      rows.push(...fresh);
      if (choice.json !== undefined) write(choice.json, fresh);
    }
  }
  const lines = [tableHeader, tableHeader.map(() => '---'), ...rows.map(cellsOf)];
  console.log(`\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`);
  return rows.some(({ failed }) => failed.length > 0) ? 1 : 0;
}

async function run(
  kernel: KernelName,
  nft: NftVersion,
  names: readonly string[],
  minutes: number,
): Promise<Report | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-matrix-'));
  try {
    const tally = join(folder, 'report');
    const { exitCode, console: printed } = await runUnder(
      { kernel, nft },
      ['node', join(import.meta.dirname, 'inside.ts'), timeFactor, ...names],
      { megabytes: 4096, minutes, output: process.stdout, tally, report: (text) => console.log(text) },
    );
    if (exitCode !== 0) console.log(`stopped: ${printed.trim().split('\n').slice(-20).join('\n')}`);
    return existsSync(tally) ? (JSON.parse(readFileSync(tally, 'utf8')) as Report) : undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function write(file: string, fresh: readonly Row[]): void {
  const old = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Row[]) : [];
  writeFileSync(file, `${JSON.stringify(mergeRows(old, fresh), undefined, 2)}\n`);
}

process.exitCode = await main();
