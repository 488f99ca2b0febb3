import { Command, Option } from 'commander';
import { readDoctorConfig } from '../../config/doctor-config.ts';
import { agentFlags } from '../../config/flags.ts';
import { readHistory } from '../../flows/read-history.ts';
import { mergeHistories } from '../../flows/traffic.ts';
import { keptMinutes } from '../../flows/flow-fold.ts';
import { EndNames } from '../../flows/workloads.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { askPage } from '../doctor/ask-page.ts';
import { renderTraffic } from '../flows/render.ts';

const details = `
The agent looks at all tracked connections again and again, and keeps for an hour which workloads talk to each other, with denials. Workloads are
known here by their labels; \`postern flows\` names them, and merges all nodes. Run it in an agent pod.

Examples:
  $ postern node history
  $ kubectl -n postern-system exec POD -- postern node history -o json > n1.json
  $ postern suggest -n shop --base cluster/ --flows n1.json

Exit codes: 0 success, 2 the agent does not answer, or keeps no flows.`;

const patienceMs = 30_000;

interface Flags {
  readonly listen?: string;
  readonly output: 'text' | 'json';
}

export function historyCommand(): Command {
  const { name, argument, env, summary } = agentFlags.listen;
  return new Command('history')
    .description('Prints what the agent of this node has kept: who talked to whom in the last hour.')
    .option(`--${name} <${argument}>`, `as for the agent: ${summary} (env: ${env})`)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      const { listen } = readDoctorConfig(flags);
      const text = await askPage(listen, '/flows', patienceMs).catch((cause: unknown) => {
        throw new HistoryError(`cannot ask the agent: ${(cause as Error).message}`, { cause });
      });
      if (flags.output === 'json') return void process.stdout.write(text);
      const history = readHistory(parsePrintable(text));
      const flows = renderTraffic(mergeHistories([history], keptMinutes), new EndNames([]), history.now);
      process.stdout.write(flows || 'the agent has seen no connection yet\n');
      if (history.failing !== undefined)
        process.stderr.write(`note: the agent cannot read tracked connections: ${history.failing}\n`);
    });
}

class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly code = 'history';
}
