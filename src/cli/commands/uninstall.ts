import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { readKubeconfigFiles } from '../../config/kubeconfig-files.ts';
import { tableName, tableFamilies } from '../../nftables/ruleset.ts';
import { exitCode } from '../exit-code.ts';
import type { DaemonSetName } from '../uninstall/daemon-set.ts';
import { plural } from '../../lib/plural.ts';

const names = tableFamilies.map((family) => `${family} ${tableName}`).join(', ');

const details = `
Without --daemonset, the command removes the rules of this node. It refuses while an agent runs here, which would write them again.
With --daemonset, every pod of that DaemonSet removes the rules of its node and stays, and the command waits until all have done so.
Then no policy is enforced, and you can delete the DaemonSet. "helm uninstall" does this by itself. No connection is cut.

Examples:
  $ postern uninstall
  $ postern uninstall --daemonset postern-system/postern && kubectl delete -k deploy/

Exit codes: 0 removed; 1 some nodes are not done in time; 2 not possible.`;

interface Flags {
  readonly daemonset?: string;
  readonly release?: string;
  readonly kubeconfig?: string;
  readonly timeout: string;
}

export function uninstallCommand(): Command {
  return new Command('uninstall')
    .description(
      `Deletes the tables of Postern (${names}) from this node. With --daemonset: the tables and the saved state of every node.`,
    )
    .option('--daemonset <NAMESPACE/NAME>', 'remove the rules from every node of this DaemonSet')
    .option('--release <NAME>', 'only if Helm installed that DaemonSet as this release')
    .option('--kubeconfig <FILE>', 'kubeconfig file, with --daemonset (default: as kubectl)')
    .option('--timeout <SECONDS>', 'how long to wait for the nodes, with --daemonset', '300')
    .addHelpText('after', details)
    .action(async (flags: Flags) => {
      if (flags.daemonset === undefined) await uninstallHere();
      else await uninstallEverywhere(readName(flags.daemonset), readSeconds(flags.timeout), flags);
    });
}

async function uninstallHere(): Promise<void> {
  const { uninstallThisNode } = await import('../uninstall/this-node.ts');
  const removed = await uninstallThisNode();
  const lines = removed.length > 0 ? removed.map((each) => `deleted ${each}`) : ['this node has no table of Postern'];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function uninstallEverywhere(
  daemonSet: DaemonSetName,
  seconds: number,
  { kubeconfig, release }: Flags,
): Promise<void> {
  const { rollOutUninstall } = await import('../uninstall/daemon-set.ts');
  const { createApiClient, loadKubeConfig } = await import('../../watch/api-client.ts');
  const deadline = performance.now() + seconds * 1000;
  const { done, nodes } = await rollOutUninstall(daemonSet, {
    client: createApiClient(await loadKubeConfig(kubeconfig ?? readKubeconfigFiles())),
    release,
    signal: new AbortController().signal,
    progress: (now) => process.stdout.write(`${now.done} of ${now.nodes} nodes have no table of Postern\n`),
    pause: async () => {
      await delay(500);
      return performance.now() < deadline;
    },
  });
  if (done === nodes) return;
  const pods = `kubectl -n ${daemonSet.namespace} get daemonset,pods -o wide`;
  process.stderr.write(
    `postern: ${plural(nodes - done, 'node is', 'nodes are')} not done after ${seconds} s; "${pods}" shows them. Run this command again to wait longer\n`,
  );
  process.exitCode = exitCode.finding;
}

function readName(text: string): DaemonSetName {
  const [namespace, daemonSet, ...rest] = text.split('/');
  if (namespace && daemonSet && rest.length === 0) return { namespace, name: daemonSet };
  throw new ConfigError(`--daemonset: ${JSON.stringify(text)} is not NAMESPACE/NAME`);
}

function readSeconds(text: string): number {
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw new ConfigError(`--timeout: ${JSON.stringify(text)} is not a number of seconds`);
}
