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
The unit has one thing to do: where the kernel has no "table ip ${tableName}" yet, it loads tables in which no address of these
ranges may send or receive. The agent takes them over, and lets through what the policies allow. Only for nodes with an agent, and with the
ranges of that node alone: pods of other nodes could not reach this one before its agent is there. The node needs nft. docs/install.md says
how to install it, docs/reliability.md what else happens when a node boots.

Examples:
  $ postern boot-unit --pod-cidr 10.244.1.0/24,fd00:10:244:1::/64 > /etc/systemd/system/postern-boot.service
  $ systemctl daemon-reload && systemctl enable postern-boot.service

Exit codes: 0 printed; 2 the ranges cannot be used.`;

export function bootUnitCommand(): Command {
  return new Command('boot-unit')
    .description('Prints a systemd unit that keeps the pods of a node from the network until the agent is there.')
    .requiredOption(
      `--${podCidr.name} <${podCidr.argument}>`,
      'the ranges that pods of that node get their addresses from',
    )
    .addHelpText('after', details)
    .action((flags: { readonly podCidr: string }) => {
      const ranges = podCidr.read(flags.podCidr);
      if (!ranges)
        throw new ConfigError(`--${podCidr.name}: ${JSON.stringify(flags.podCidr)} is not ${podCidr.expects}`);
      process.stdout.write(renderUnit(renderGate(canonicalCidrs(ranges))));
    });
}

/** What the agent would write for a node without pods, so that it has nothing to do when it comes, and no gap to leave. */
function renderGate(gatedRanges: readonly string[]): string {
  const { ruleset } = new Compiler().compile({ ...emptySnapshot, gatedRanges });
  return renderRuleset(ruleset);
}

/** What starts containers; ordering says nothing about those that are not there. */
const runtimes = ['kubelet', 'containerd', 'crio', 'k3s', 'k3s-agent', 'rke2-server', 'rke2-agent'];

/**
 * Not before `network-pre.target`: where cloud-init comes before `sysinit.target`, which we come after, that would be a cycle. After
 * `nftables.service`, which flushes all rules. Of the script, an empty line would delete the lines before it (systemd.exec(5)).
 */
function renderUnit(script: string): string {
  const lines = script.split('\n').filter((line) => line !== '');
  const input = lines.map((line) => `StandardInputText=${line.trim()}`);
  return `# Written by "postern boot-unit".
[Unit]
Description=No pod sends or receives before the agent of Postern is there
After=nftables.service
Before=${runtimes.map((name) => `${name}.service`).join(' ')}

[Service]
Type=oneshot
RemainAfterExit=yes
# A table that is there is the agent's.
ExecStart=/bin/sh -c 'nft list table ip ${tableName} >/dev/null 2>&1 || exec nft -f -'
StandardInput=data
${input.join('\n')}

[Install]
WantedBy=multi-user.target
`;
}
