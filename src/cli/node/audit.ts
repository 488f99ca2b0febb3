import { Command, Option } from 'commander';
import type { AuditPage } from '../../agent/audits/audit-tally.ts';
import { ConfigError } from '../../config/config-error.ts';
import { readDoctorConfig } from '../../config/doctor-config.ts';
import { agentFlags } from '../../config/flags.ts';
import { messageOf } from '../../lib/message-of.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { readAuditPage } from '../../agent/audits/read-page.ts';
import { renderRow } from '../audit/render.ts';
import { askPage, showListen } from '../doctor/ask-page.ts';

const details = `
Asks the agent of this node. It counts what policies in audit would deny, and keeps its list over a restart. \`postern audit\` asks all nodes, and adds reasons.

Examples:
  $ postern node audit
  $ kubectl -n postern-system exec POD -- postern node audit -o json

Exit codes: 0 success, 2 the agent does not answer.`;

/** Milliseconds for the answer of the agent. */
const patienceMs = 10_000;

interface Flags {
  readonly listen?: string;
  readonly output: 'text' | 'json';
}

export function auditCommand(): Command {
  const { name, argument, env, summary } = agentFlags.listen;
  return new Command('audit')
    .description('Prints the connections of pods of this node that policies in audit would deny.')
    .option(`--${name} <${argument}>`, `as for the agent: ${summary} (env: ${env})`)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      const page = await readPage(flags);
      if (flags.output === 'json') return void process.stdout.write(`${JSON.stringify(page)}\n`);
      const since = new Date(page.since).toISOString();
      process.stdout.write(page.rows.map((row) => renderRow(row)).join(''));
      process.stderr.write(`${page.rows.length === 0 ? 'nothing was recorded' : 'recorded'} since ${since}\n`);
    });
}

async function readPage({ listen: given }: Pick<Flags, 'listen'>): Promise<AuditPage> {
  const { listen } = readDoctorConfig(given === undefined ? {} : { listen: given });
  const where = showListen(listen);
  let answer: unknown;
  try {
    answer = parsePrintable(await askPage(listen, '/audits', patienceMs));
  } catch (cause) {
    throw new ConfigError(`the agent does not answer at ${where}: ${messageOf(cause)}`, { cause });
  }
  const page = readAuditPage(answer);
  if (!page) throw new ConfigError(`the program at ${where} is not an agent of this version`);
  return page;
}
