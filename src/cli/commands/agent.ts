import { Command, Option } from 'commander';
import { readAgentConfig, type FlagValues } from '../../config/agent-config.ts';
import { onEndingSignal } from '../../lib/ending-signals.ts';
import { agentFlags, type Flag } from '../../config/flags.ts';

const details = `
A flag goes before its variable. What is on by default is turned off by --no-…, or by "false" in its variable. The rules stay
when the agent stops; "postern uninstall" removes them. With --uninstall it is what a DaemonSet runs on every node before it is
deleted.

Examples:
  $ postern agent --node-name worker-1 --kubeconfig /etc/kubernetes/postern.conf
  $ POSTERN_NODE_NAME=worker-1 postern agent --listen '[::]:9470' --log-level debug`;

export function agentCommand(): Command {
  const command = new Command('agent')
    .description(
      'Watches the cluster and keeps the kernel of this node enforcing its policies, until it is told to stop.',
    )
    .addHelpText('after', details);
  for (const flag of Object.values<Flag<unknown>>(agentFlags))
    for (const option of toOptions(flag)) command.addOption(option);
  return command.action(async (values: FlagValues) => {
    const config = readAgentConfig(values);
    const stop = new AbortController();
    // A second signal ends the process at once, which is safe, for the rules stay (S7.13).
    onEndingSignal(['SIGTERM', 'SIGINT'], () => stop.abort());
    // Here and not above: wrong flags should be answered without loading all that enforces.
    const run = config.uninstall
      ? (await import('../../agent/uninstall.ts')).runUninstall
      : (await import('../../agent/agent.ts')).runAgent;
    process.exitCode = await run(config, stop.signal);
  });
}

/** A switch that is on by default has one to turn it off, which its help names. */
function toOptions(flag: Flag<unknown>): Option[] {
  const isOn = flag.argument === undefined && flag.fallback === 'true';
  const notes = [
    flag.required && 'required',
    isOn && `default: on; off with --no-${flag.name}`,
    flag.argument && flag.fallback && `default: ${flag.fallback}`,
    `env: ${flag.env}`,
  ];
  const argument = flag.argument === undefined ? '' : ` <${flag.argument}>`;
  const option = new Option(`--${flag.name}${argument}`, `${flag.summary} (${notes.filter(Boolean).join(', ')})`);
  return isOn ? [option, new Option(`--no-${flag.name}`).hideHelp()] : [option];
}
