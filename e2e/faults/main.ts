/** `npm run e2e:faults [-- NAME… --tries N --json FILE --docs]`: tests what nodes enforce during faults of their agents. */
import { readFile, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { checkMachine } from '../../src/lab/preflight.ts';
import { closestName } from '../../src/lib/closest-name.ts';
import { onEndingSignal } from '../../src/lib/ending-signals.ts';
import { faults } from './faults.ts';
import { renderBroken, renderTable } from './report.ts';
import { runFaults } from './run-faults.ts';
import { messageOf } from '../../src/lib/message-of.ts';

const page = join(import.meta.dirname, '../../docs/reliability.md');
const [begin, end] = ['<!-- written by: npm run e2e:faults -- --docs -->\n', '<!-- end of what is written -->'];

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tries: { type: 'string' }, json: { type: 'string' }, docs: { type: 'boolean', default: false } },
  });
  const tries = values.tries === undefined ? undefined : Number(values.tries);
  if (tries !== undefined && !(Number.isInteger(tries) && tries > 0))
    throw new Error('--tries needs a number of at least 1');
  const isWhole = positionals.length === 0 && tries === undefined;
  if (values.docs && !isWhole) throw new Error('--docs needs all faults with all tries');
  const chosen = chooseFaults(positionals);
  await checkMachine('bridge');

  const ending = new AbortController();
  const stopListening = onEndingSignal(['SIGINT', 'SIGTERM'], (signal) => {
    process.stderr.write(`${signal}: removing the labs after the running tries; press again to keep them\n`);
    ending.abort(new Error('interrupted'));
  });
  const started = performance.now();
  const results = await runFaults(chosen, {
    tries,
    ending: ending.signal,
    onResult: (result) => process.stderr.write(`${result.name}: ${renderBroken([result]).join('; ') || 'kept'}\n`),
  });
  stopListening();

  const seconds = Math.round((performance.now() - started) / 1000);
  const { stdout: nft } = await execa('nft', ['--version']);
  const where = `Linux ${release()}, ${nft.split(' (')[0]}, ${new Date().toISOString().slice(0, 10)}.`;
  const report = `${renderTable(results)}\n\n${where}\n`;
  const broken = renderBroken(results);
  const kept = results.filter((result) => renderBroken([result]).length === 0).length;
  const lines = [...broken.map((line) => `broken: ${line}`), `${kept} of ${results.length} kept, in ${seconds} s`];
  process.stdout.write(`\n${report}\n${lines.join('\n')}\n`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  if (values.docs) await writeIntoPage(report);
  return broken.length > 0 ? 1 : 0;
}

/** The named faults; all if none is named. */
function chooseFaults(wanted: readonly string[]): typeof faults {
  const names = faults.map(({ name }) => name);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const near = closestName(unknown, names);
    throw new Error(`unknown fault ${unknown}: ${near ? `did you mean ${near}?` : `there are ${names.join(', ')}`}`);
  }
  return wanted.length === 0 ? faults : faults.filter(({ name }) => wanted.includes(name));
}

async function writeIntoPage(report: string): Promise<void> {
  const text = await readFile(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table`);
  await writeFile(page, `${text.slice(0, from)}${begin}\n${report}\n${text.slice(to)}`);
}
