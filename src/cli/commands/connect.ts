import { setTimeout as delay } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { socketProtocols } from '../connect/attempt.ts';
import type { Attempt, SocketProtocol } from '../connect/attempt.ts';
import { attemptAll } from '../connect/attempts.ts';
import type { Destinations } from '../connect/attempts.ts';
import { exitCode } from '../exit-code.ts';

const details = `
Postern drops denied packets, so "denied" means that no answer came back. A refusal shows that the packet arrived: it counts as neither.
"helm test" runs this command in two pods, one of them isolated. "postern probe" runs it with --once in the network of a pod.

With --once it prints the result for each address (for a name: the first of each family): connected, refused, no answer, unreachable,
or unresolved. For UDP, "connected" means that an answer came back. "no answer" proves nothing, because a UDP server need not answer.
To port 53 the command sends a DNS query, which every name server answers.

Examples:
  $ postern connect 10.96.0.1 443 --until denied
  $ postern connect 10.244.1.2,fd00:10:244:1::2 53 --once --protocol UDP -o json

Exit codes: 0 as wanted, or connected; 1 not within the time, or not connected; 2 wrong usage.`;

interface Flags {
  readonly until: 'allowed' | 'denied';
  readonly once?: true;
  readonly protocol: SocketProtocol;
  readonly output: 'text' | 'json';
  readonly timeout: string;
}

export function connectCommand(): Command {
  return new Command('connect')
    .description('Tries a connection from here: repeatedly until it is allowed or denied, or once.')
    .argument('<HOST>', 'an address or a name; with --once a comma-separated list')
    .argument('<PORT>', 'a port number')
    .addOption(new Option('--until <VERDICT>', 'what to wait for').choices(['allowed', 'denied']).default('allowed'))
    .option('--timeout <SECONDS>', 'how long to try', '60')
    .addOption(new Option('--once', 'try once and print the result').conflicts(['until', 'timeout']))
    .option('--protocol <PROTOCOL>', 'TCP or UDP', readProtocol, 'TCP')
    .addOption(new Option('-o, --output <FORMAT>', 'output format of --once').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (host: string, portText: string, flags: Flags) => {
      const { protocol } = flags;
      const to = { protocol, hosts: host.split(','), port: readNumber('PORT', portText, 65_535) };
      if (flags.once) return tryOnce(to, flags.output);
      if (to.hosts.length > 1) throw new ConfigError('HOST: a list needs --once');
      await tryUntil(to, flags, performance.now() + readNumber('--timeout', flags.timeout, 999_999) * 1000);
    });
}

async function tryOnce(to: Destinations, output: 'text' | 'json'): Promise<void> {
  const attempts = await attemptAll(to);
  const lines = attempts.map(({ address, outcome, code, ms }) => {
    return `${address} ${to.protocol}/${to.port}: ${outcome}${code === undefined ? '' : ` (${code})`} after ${ms} ms\n`;
  });
  process.stdout.write(output === 'json' ? `${JSON.stringify(attempts)}\n` : lines.join(''));
  if (attempts.some(({ outcome }) => outcome !== 'connected')) process.exitCode = exitCode.finding;
}

async function tryUntil(to: Destinations, { until, timeout }: Flags, deadline: number): Promise<void> {
  for (;;) {
    const [first] = await attemptAll(to);
    const what = `${to.hosts[0]} ${to.port}`;
    const verdict = verdictOf(first!);
    if (verdict === until) {
      process.stdout.write(`${verdict}: ${what}\n`);
      return;
    }
    if (performance.now() > deadline) {
      process.stderr.write(`postern: ${what} is not ${until} after ${timeout} s: ${verdict}\n`);
      process.exitCode = exitCode.finding;
      return;
    }
    await delay(500);
  }
}

/** `allowed`, `denied`, or for other outcomes the error code. */
function verdictOf({ outcome, code }: Attempt): string {
  if (outcome === 'connected') return 'allowed';
  return outcome === 'no answer' ? 'denied' : (code ?? outcome);
}

function readProtocol(text: string): SocketProtocol {
  const protocol = socketProtocols.find((each) => each === text.toUpperCase());
  if (protocol) return protocol;
  const why = text.toUpperCase() === 'SCTP' ? ': Node.js has no SCTP sockets' : '';
  throw new ConfigError(`--protocol: ${JSON.stringify(text)} is not TCP or UDP${why}`);
}

function readNumber(name: string, text: string, largest: number): number {
  const number = /^[0-9]{1,6}$/.test(text) ? Number(text) : Infinity;
  if (number > largest) throw new ConfigError(`${name}: ${JSON.stringify(text)} is not a number up to ${largest}`);
  return number;
}
