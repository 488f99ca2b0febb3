import { writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import type { Bench } from './bench.ts';
import { packetCost } from './packets/packet-cost.ts';

const benches: readonly Bench[] = [packetCost];

const usage = `Usage: npm run bench [-- [NAME…] [--json FILE]]

Measures on this machine, as root, in network namespaces of its own; let it be idle meanwhile.

${benches.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

Examples:
  npm run bench                                all of them
  npm run bench -- packets --json packets.json one, with its figures as JSON
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`there is no bench ${unknown.join(', ')}\n\n${usage}`);
    return 2;
  }
  const wanted = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const bars = [];
  for (const bench of wanted) {
    const show = (message: string): void => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${message}`);
    };
    const entries = await bench.run((message) => show(`${bench.name}: ${message}`));
    show('');
    process.stdout.write(`${bench.summary}, against ${bench.against}\n`);
    for (const entry of entries) {
      const ratio = entry.cost / entry.baseline;
      bars.push({ ...entry, ratio });
      const added = Math.round(entry.cost - entry.baseline);
      process.stdout.write(`  ${ratio.toFixed(2)}  ${`+${added} ns`.padStart(9)}  ${entry.what}\n`);
    }
  }
  if (values.json !== undefined) {
    const nft = (await execa('nft', ['--version'])).stdout;
    const machine = {
      kernel: release(),
      processors: cpus().length,
      model: cpus()[0]?.model,
      nft,
      node: process.version,
    };
    await writeFile(values.json, `${JSON.stringify({ machine, bars }, undefined, 2)}\n`);
  }
  return 0;
}

process.exitCode = await main();
