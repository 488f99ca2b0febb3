import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { readDoctorConfig } from '../../config/doctor-config.ts';
import { agentFlags } from '../../config/flags.ts';
import type { Listen } from '../../config/listen.ts';
import { shownName } from '../../doctor/proof/judge.ts';
import { readNodePolicies } from '../../doctor/proof/read-policies.ts';
import { messageOf } from '../../lib/message-of.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { plural } from '../../lib/plural.ts';
import type { NodePolicies } from '../../model/node-policies.ts';
import { askPage, showListen } from '../doctor/ask-page.ts';
import { exitCode } from '../exit-code.ts';

const details = `
Asks the agent of this node. It lists the ClusterNetworkPolicies of the cluster, and the NetworkPolicies that select a pod of this node. Run it on the
node, or in its agent pod. \`postern status\` asks all nodes and compares the answers with the API server.

Examples:
  $ postern node policies
  $ kubectl -n postern-system exec POD -- postern node policies -o json

Exit codes: 0 the kernel holds what is listed, 1 that is in doubt, 2 the agent does not answer.`;

/** Milliseconds for the answer of the agent. */
const patienceMs = 10_000;

interface Flags {
  readonly listen?: string;
  readonly output: 'text' | 'json';
}

export function policiesCommand(): Command {
  const { name, argument, env, summary } = agentFlags.listen;
  return new Command('policies')
    .description('Prints which versions of policies the kernel of this node holds, and for which pods.')
    .option(`--${name} <${argument}>`, `as for the agent: ${summary} (env: ${env})`)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      const { listen } = readDoctorConfig(flags);
      const page = await readPage(listen);
      process.stdout.write(flags.output === 'json' ? `${JSON.stringify(page)}\n` : renderPage(page));
      process.exitCode = page.doubt === undefined ? exitCode.fine : exitCode.finding;
    });
}

/** Rejects with a ConfigError. */
async function readPage(listen: Listen): Promise<NodePolicies> {
  const where = showListen(listen);
  let page: unknown;
  try {
    page = parsePrintable(await askPage(listen, '/policies', patienceMs));
  } catch (cause) {
    throw new ConfigError(`the agent does not answer at ${where}: ${messageOf(cause)}`, { cause });
  }
  const policies = readNodePolicies(page);
  if (!policies) throw new ConfigError(`the program at ${where} is not an agent of this version`);
  return policies;
}

function renderPage({ node, doubt, policies, pods }: NodePolicies): string {
  const selected = policies.map(() => 0);
  for (const pod of pods) for (const index of pod.policies) selected[index]!++;
  const lines = policies.map(({ id, generation, leftOut }, index) => {
    const without = leftOut === undefined ? '' : `, without its rules: ${leftOut}`;
    return `${shownName(id)}: generation ${generation}, ${plural(selected[index]!, 'pod')}${without}\n`;
  });
  const heading =
    doubt === undefined ? `the kernel of node ${node} holds` : `in doubt: ${doubt}\nnode ${node} held last`;
  return `${heading} ${plural(policies.length, 'policy', 'policies')}\n${lines.join('')}`;
}
