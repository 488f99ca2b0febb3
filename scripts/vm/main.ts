import { tallyVariable } from '../tally.ts';
import { readArguments, usage } from './arguments.ts';
import { runUnder } from './run-under.ts';

async function main(): Promise<number> {
  const read = readArguments(process.argv.slice(2));
  if (read === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if ('problem' in read) {
    process.stderr.write(`vm: ${read.problem}\n\n${usage}`);
    return 2;
  }
  const { platform, command, megabytes, minutes } = read;
  const { exitCode, console } = await runUnder(platform, command, {
    megabytes,
    minutes,
    output: process.stdout,
    tally: process.env[tallyVariable],
    report: (text) => process.stderr.write(`vm: ${text}\n`),
  });
  if (exitCode === undefined) {
    const last = console.trim().split('\n').slice(-20).join('\n');
    process.stderr.write(`vm: the command did not end within ${minutes} minutes, or the kernel stopped:\n${last}\n`);
  }
  return exitCode ?? 124;
}

process.exitCode = await main();
