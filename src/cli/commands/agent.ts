import { Command, Option } from 'commander';
import { readAgentConfig, type FlagValues } from '../../config/agent-config.ts';
import { onEndingSignal } from '../../lib/ending-signals.ts';
import { agentFlags, type Flag } from '../../config/flags.ts';

const details = `
A flag overrides its environment variable. --no-…, or "false" in the variable, turns off what is on by default. The rules stay in the
kernel when the agent stops; "postern uninstall" removes them. The DaemonSet runs the agent with --uninstall on every node before you
delete it.

Examples:
  $ postern agent --node-name worker-1 --kubeconfig /etc/kubernetes/postern.conf
  $ POSTERN_NODE_NAME=worker-1 postern agent --listen '[::]:9470' --log-level debug`;

export function agentCommand(): Command {
  const command = new Command('agent')
    .description(
      'Watches the cluster and writes its policies as nftables rules into the kernel of this node, until SIGTERM or SIGINT.',
    )
    .addHelpText('after', details);
  for (const flag of Object.values<Flag<unknown>>(agentFlags))
    for (const option of toOptions(flag)) command.addOption(option);
  return command.action(async (values: FlagValues) => {
    const config = readAgentConfig(values);
    const stop = new AbortController();
    // A second signal kills the process. That is safe, because the rules stay (S7.13).
    onEndingSignal(['SIGTERM', 'SIGINT'], () => stop.abort());
    // Imported late: errors about flags must not wait for these modules.
    const run = config.uninstall
      ? (await import('../../agent/uninstall.ts')).runUninstall
      : (await import('../../agent/agent.ts')).runAgent;
    process.exitCode = await run(config, stop.signal);
  });
}

/** A switch that is on by default also gets `--no-NAME`, and its help names that flag. */
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
