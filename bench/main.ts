import { readFile, writeFile } from 'node:fs/promises';
import { inspect, isDeepStrictEqual, parseArgs } from 'node:util';
import { findRegressions } from './check.ts';
import { resultOf, type Bench, type Result } from './figure.ts';
import { describeMachine } from './machine.ts';
import { agentMemory } from './agent/agent-memory.ts';
import { agentStart } from './agent/agent-start.ts';
import { changes } from './changes/changes.ts';
import { tierChanges } from './changes/tier-changes.ts';
import { hourOfChurn } from './changes/hour.ts';
import { planAndExplain } from './commands/plan.ts';
import { denialFlood } from './denials/flood.ts';
import { keptFlows } from './flows/flows.ts';
import { hostile } from './hostile/hostile.ts';
import { firstCompile } from './compile/first-compile.ts';
import { tiers } from './compile/tiers.ts';
import { packetCost } from './packets/packet-cost.ts';
import { auditTraffic } from './packets/audit-traffic.ts';
import { page } from './page/page.ts';
import { tierTraffic } from './packets/tier-traffic.ts';
import { traffic } from './packets/traffic.ts';
import { besidePeers } from './peers/peers.ts';
import { publish } from './publish.ts';
import { formatResult } from './report.ts';

const benches: readonly Bench[] = [
  traffic,
  packetCost,
  tierTraffic,
  auditTraffic,
  changes,
  tierChanges,
  firstCompile,
  tiers,
  agentMemory,
  agentStart,
  denialFlood,
  keptFlows,
  hostile,
  planAndExplain,
  page,
  hourOfChurn,
  ...besidePeers,
];
const recorded = new URL('recorded.json', import.meta.url);

const usage = `Usage: npm run bench [-- [NAME…] [--json FILE] [--resume FILE] [--check | --publish]]

Measures on this machine, as root, in network namespaces of its own; let it be idle meanwhile. Exits 1 if a bar does not hold.

${benches.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`).join('\n')}

      --json FILE    writes the figures, with all runs, as JSON
      --resume FILE  takes the benches that this JSON file has, and measures the others
      --check        exits 1 only if a ratio is worse than the recorded one by 15%; by 10% for packets
      --publish      writes the figures and charts of all benches into docs/performance/all.md, and records them for --check

Examples:
  npm run bench                                all of them
  npm run bench -- packets --json packets.json one, with its figures as JSON
  npm run bench -- kube-router calico          the chains of others beside ours
  npm run bench -- --check                     has a figure become worse?
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      resume: { type: 'string' },
      check: { type: 'boolean' },
      publish: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`unknown bench ${unknown.join(', ')}\n\n${usage}`);
    return 2;
  }
  if (values.publish && positionals.length > 0) {
    process.stderr.write(`--publish needs all benches: the docs would lose the figures of the others\n\n${usage}`);
    return 2;
  }
  const wanted = benches.filter(({ name, byDefault = true }) => {
    return positionals.length === 0 ? byDefault : positionals.includes(name);
  });
  const machine = await describeMachine();
  const known = values.resume === undefined ? [] : readBars(await readFile(values.resume, 'utf8'), machine);
  const bars: NamedResult[] = [];
  const failed: string[] = [];
  for (const bench of wanted) {
    const already = known.filter((bar) => bar.bench === bench.name);
    try {
      const measured = already.length > 0 ? already : await runBench(bench);
      bars.push(...measured.map((result) => ({ ...result, bench: bench.name })));
    } catch (error) {
      // The others may have taken most of an hour.
      failed.push(bench.name);
      process.stdout.write(`${bench.summary}: not measured\n  ${inspect(error)}\n`);
    }
    // Also after each bench, in case the next one is stopped.
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ machine, bars }, undefined, 2)}\n`);
  }
  if (failed.length > 0) {
    process.stdout.write(`not measured: ${failed.join(', ')}${values.publish ? '; nothing is published' : ''}\n`);
    return 1;
  }
  if (values.publish) await publish(bars, machine, recorded);
  if (!values.check) return bars.every(({ holds }) => holds !== false) ? 0 : 1;
  const regressions = findRegressions(bars, JSON.parse(await readFile(recorded, 'utf8')));
  for (const line of regressions) process.stdout.write(`worse than recorded: ${line}\n`);
  return regressions.length === 0 ? 0 : 1;
}

interface NamedResult extends Result {
  readonly bench: string;
}

/** The figures of a file of `--json`, which the same machine must have written. */
function readBars(text: string, machine: object): NamedResult[] {
  const file = JSON.parse(text) as { readonly machine: object; readonly bars: NamedResult[] };
  if (!isDeepStrictEqual(file.machine, machine)) {
    throw new Error(`--resume: the file is of another machine or another Node: ${inspect(file.machine)}`);
  }
  return file.bars;
}

async function runBench(bench: Bench): Promise<Result[]> {
  const show = (message: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${message}`);
  };
  const started = performance.now();
  const figures = await bench.run((message) => show(`${bench.name}: ${message}`));
  show('');
  const results = figures.map(resultOf);
  const against = bench.against === undefined ? '' : `, against ${bench.against}`;
  const minutes = (performance.now() - started) / 60_000;
  process.stdout.write(`${bench.summary}${against}; took ${minutes.toFixed(1)} minutes\n`);
  for (const result of results) process.stdout.write(`  ${formatResult(result)}\n`);
  return results;
}

process.exitCode = await main();
