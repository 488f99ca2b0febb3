import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { readDoctorConfig } from '../../config/doctor-config.ts';
import { agentFlags } from '../../config/flags.ts';
import { nodeChecks } from '../../doctor/checks.ts';
import { judgeNode, type NodeReport } from '../../doctor/report.ts';
import { exitCode } from '../exit-code.ts';
import { readIgnored } from './ignored.ts';
import { countFindings, renderFinding } from './render.ts';
import { printable } from '../../lib/printable.ts';

const details = `
Reads facts from the agent, from the kernel, and once from the API server with the rights of the agent. The command changes nothing.
docs/reference/doctor.md lists all checks.

Examples:
  $ postern node doctor
  $ postern node doctor -o json --ignore start-window
  $ postern node doctor --listen unix:/run/postern.sock --kubeconfig /etc/kubernetes/postern.conf

Exit codes: 0 no findings; 1 findings; 2 wrong usage.`;

interface Flags {
  readonly nodeName?: string;
  readonly listen?: string;
  readonly kubeconfig?: string;
  readonly cniCacheDir?: string;
  readonly ignore?: string;
  readonly output: 'text' | 'json';
}

export function nodeDoctorCommand(): Command {
  const { nodeName, listen, kubeconfig, cniCacheDir } = agentFlags;
  const command = new Command('doctor').description('Finds problems that stop policies from working on this node.');
  for (const { name, argument, env, summary } of [nodeName, listen, kubeconfig, cniCacheDir]) {
    command.option(`--${name} <${argument}>`, `as for the agent: ${summary} (env: ${env})`);
  }
  return command
    .option('--ignore <CHECKS>', 'comma-separated checks to leave out')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      const ignored = readIgnored(flags.ignore, nodeChecks);
      const config = readDoctorConfig(flags);
      const { collectFacts } = await import('./collect.ts');
      const facts = await collectFacts({ ...config, signal: new AbortController().signal });
      const agent = 'value' in facts.agent ? facts.agent.value.node : undefined;
      const report = judgeNode(config.nodeName ?? agent ?? hostname(), facts, ignored);
      process.stdout.write(flags.output === 'json' ? `${JSON.stringify(report)}\n` : renderNode(report));
      process.exitCode = report.findings.length > 0 ? exitCode.finding : exitCode.fine;
    });
}

function renderNode({ node, findings, unknown }: NodeReport): string {
  const notes = unknown.map((text) => `not checked: ${printable(text)}\n`);
  return [...findings.map(renderFinding), ...notes, `node ${node}: ${countFindings(findings.length)}\n`].join('');
}
