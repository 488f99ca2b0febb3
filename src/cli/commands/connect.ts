import { setTimeout as delay } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { tryConnection } from '../connect/try-connection.ts';
import { exitCode } from '../exit-code.ts';

const details = `
A policy drops what it denies, so denied means that nothing comes back; a refusal comes from somebody who was reached, and is neither.
"helm test" runs this in two pods, one of them isolated.

Example:
  $ postern connect 10.96.0.1 443 --until denied

Exit codes: 0 as wanted; 1 not within the time; 2 a question that cannot be asked.`;

interface Flags {
  readonly until: 'allowed' | 'denied';
  readonly timeout: string;
}

export function connectCommand(): Command {
  return new Command('connect')
    .description('Tries a TCP connection from where it runs, again and again, until it is allowed, or denied.')
    .argument('<HOST>', 'an address, or a name')
    .argument('<PORT>', 'a number')
    .addOption(new Option('--until <VERDICT>', 'what to wait for').choices(['allowed', 'denied']).default('allowed'))
    .option('--timeout <SECONDS>', 'how long to try', '60')
    .addHelpText('after', details)
    .action(async (host: string, port: string, flags: Flags) => {
      const to = { host, port: readNumber('PORT', port, 65_535) };
      const deadline = performance.now() + readNumber('--timeout', flags.timeout, 999_999) * 1000;
      for (;;) {
        const outcome = await tryConnection(to);
        if (outcome === flags.until) {
          process.stdout.write(`${outcome}: ${host} ${port}\n`);
          return;
        }
        if (performance.now() > deadline) {
          process.stderr.write(`postern: ${host} ${port} is not ${flags.until} after ${flags.timeout} s: ${outcome}\n`);
          process.exitCode = exitCode.finding;
          return;
        }
        await delay(500);
      }
    });
}

function readNumber(name: string, text: string, largest: number): number {
  const number = /^[0-9]{1,6}$/.test(text) ? Number(text) : Infinity;
  if (number > largest) throw new ConfigError(`${name}: ${JSON.stringify(text)} is not a number up to ${largest}`);
  return number;
}
