import { setTimeout as delay } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { readVersion } from '../../config/version.ts';
import { nodeChecks } from '../../doctor/checks.ts';
import { clusterChecks, judgeCluster, type ClusterReport } from '../../doctor/cluster.ts';
import { printable } from '../../lib/printable.ts';
import { agentNamespaceOption, agentSelector } from '../connect/find-agents.ts';
import { readIgnored } from '../doctor/ignored.ts';
import { countFindings, renderFinding } from '../doctor/render.ts';
import { exitCode } from '../exit-code.ts';
import { readSeconds } from '../read-seconds.ts';

const details = `
Runs "postern node doctor" in the agent of every node, and judges ClusterNetworkPolicies. You need the rights to list pods, nodes, namespaces,
networkpolicies, clusternetworkpolicies and (in namespace default) endpointslices, and to get and create pods/exec in the namespace of the
agents. The command changes nothing. It asks pods on the host network only, all in one namespace. docs/reference/doctor.md lists all checks.

Examples:
  $ postern doctor
  $ postern doctor --node worker-1
  $ postern doctor -o json --ignore start-window | jq -r '.findings[] | [.severity, .check, .subject] | @tsv'

Exit codes: 0 no findings; 1 findings (also if a node does not answer); 2 wrong usage, or no cluster or agents found.`;

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly agentNamespace?: string;
  readonly selector: string;
  readonly node?: string;
  readonly timeout: string;
  readonly ignore?: string;
  readonly output: 'text' | 'json';
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Finds problems that stop policies from working on the nodes, and ClusterNetworkPolicies that harm: what is wrong, which pods it affects, and what to do.',
    )
    .option('--kubeconfig <FILE>', 'kubeconfig file (default: as kubectl)')
    .option('--context <NAME>', 'context of the kubeconfig')
    .addOption(agentNamespaceOption('-n, --agent-namespace <NAME>'))
    .option('-l, --selector <LABELS>', 'label selector of the agents', agentSelector)
    .option('--node <NAME>', 'only this node')
    .option('--timeout <SECONDS>', 'how long to wait for a node', '60')
    .option('--ignore <CHECKS>', 'comma-separated checks to leave out')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      const ignored = readIgnored(flags.ignore, [...nodeChecks, ...clusterChecks]);
      const timeoutMs = readSeconds(flags.timeout) * 1000;
      const { askCluster } = await import('../doctor/ask-cluster.ts');
      const { execInPod } = await import('../../watch/pod-exec.ts');
      const { createApiClient } = await import('../../watch/api-client.ts');
      const { openContext } = await import('../explain/cluster-source.ts');
      const config = await openContext(flags.kubeconfig, flags.context);
      const facts = await askCluster({
        client: createApiClient(config),
        config,
        exec: execInPod,
        agentNamespace: flags.agentNamespace,
        selector: flags.selector,
        node: flags.node,
        timeoutMs,
        version: readVersion(),
        progress: (text) => process.stderr.write(`${printable(text)}\n`),
        pause: () => delay(2000),
      });
      const report = judgeCluster(facts, ignored);
      process.stdout.write(
        flags.output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : renderCluster(report),
      );
      process.exitCode = report.findings.length > 0 ? exitCode.finding : exitCode.fine;
    });
}

function renderCluster({ nodes, findings, unknown }: ClusterReport): string {
  const texts = findings.map((finding) => {
    const where = finding.nodes.length > 0 ? `on ${finding.nodes.join(', ')}: ` : '';
    return `${where}${renderFinding(finding)}`;
  });
  const notes = unknown.map((text) => `not checked: ${printable(text)}\n`);
  const answered = nodes.length === 1 ? '1 node answered' : `${nodes.length} nodes answered`;
  return [...texts, ...notes, `${answered}: ${countFindings(findings.length)}\n`].join('');
}
