import { Command } from 'commander';
import { Compiler } from '../../compile/compile.ts';
import { ConfigError } from '../../config/config-error.ts';
import { agentFlags } from '../../config/flags.ts';
import { canonicalCidrs } from '../../model/address.ts';
import { emptySnapshot } from '../../model/snapshot.ts';
import { renderRuleset } from '../../nftables/render.ts';
import { tableName } from '../../nftables/ruleset.ts';

const { podCidr } = agentFlags;

const details = `
If the kernel has no "table ip ${tableName}" yet, the unit loads tables in which no address of these ranges can send or receive.
The agent takes these tables over and accepts what the policies allow. Use the unit only on nodes with an agent, and give only the pod
ranges of that node. The node needs nft. docs/install.md explains how to install the unit,
and docs/reliability.md what else happens when a node boots.

Examples:
  $ postern boot-unit --pod-cidr 10.244.1.0/24,fd00:10:244:1::/64 > /etc/systemd/system/postern-boot.service
  $ systemctl daemon-reload && systemctl enable postern-boot.service

Exit codes: 0 printed; 2 invalid ranges.`;

export function bootUnitCommand(): Command {
  return new Command('boot-unit')
    .description('Prints a systemd unit that blocks the traffic of the pods of a node at boot until the agent runs.')
    .requiredOption(`--${podCidr.name} <${podCidr.argument}>`, 'the pod address ranges of that node')
    .addHelpText('after', details)
    .action((flags: { readonly podCidr: string }) => {
      const ranges = podCidr.read(flags.podCidr);
      if (!ranges)
        throw new ConfigError(`--${podCidr.name}: ${JSON.stringify(flags.podCidr)} is not ${podCidr.expects}`);
      process.stdout.write(renderUnit(renderGate(canonicalCidrs(ranges))));
    });
}

/** The rules that the agent writes for a node without pods. So the agent can take them over without a gap. */
function renderGate(gatedRanges: readonly string[]): string {
  const { ruleset } = new Compiler().compile({ ...emptySnapshot, gatedRanges });
  return renderRuleset(ruleset);
}

/** Units that start containers. systemd ignores ordering on units that do not exist. */
const runtimes = ['kubelet', 'containerd', 'crio', 'k3s', 'k3s-agent', 'rke2-server', 'rke2-agent'];

/**
 * No `Before=network-pre.target`: the unit is after `sysinit.target`, so that would be a cycle on nodes where cloud-init is before
 * `sysinit.target`. `After=nftables.service`, because that unit flushes all rules. An empty `StandardInputText=` would reset the
 * lines before it (systemd.exec(5)).
 */
function renderUnit(script: string): string {
  const lines = script.split('\n').filter((line) => line !== '');
  const input = lines.map((line) => `StandardInputText=${line.trim()}`);
  return `# Written by "postern boot-unit".
[Unit]
Description=Block pod traffic until the Postern agent runs
After=nftables.service
Before=${runtimes.map((name) => `${name}.service`).join(' ')}

[Service]
Type=oneshot
RemainAfterExit=yes
# An existing table belongs to the agent.
ExecStart=/bin/sh -c 'nft list table ip ${tableName} >/dev/null 2>&1 || exec nft -f -'
StandardInput=data
${input.join('\n')}

[Install]
WantedBy=multi-user.target
`;
}
