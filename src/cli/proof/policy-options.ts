import { Option, type Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem, ManifestError } from '../../manifests/problem.ts';
import { agentNamespaceOption } from '../connect/find-agents.ts';
import { withManifests } from '../manifest-option.ts';
import { idsOfManifests, readNames, type Selection } from './select.ts';

export interface PolicyFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly agentNamespace?: string;
  readonly allNamespaces?: true;
  readonly namespace?: string;
  readonly filename?: readonly string[];
  readonly output: 'text' | 'json';
}

/** The argument and the flags that `status` and `wait` have in common. */
export function withPolicies(command: Command): Command {
  const named = command.argument('[POLICY...]', 'NAMESPACE/NAME, clusternetworkpolicy/NAME, or with -n a NAME');
  return withManifests(named, 'the policies of manifests: a file, a folder, or - (repeatable)')
    .addOption(new Option('-A, --all-namespaces', 'all policies of the cluster').conflicts(['namespace', 'filename']))
    .option('-n, --namespace <name>', 'the namespace of names without one; without names, all its NetworkPolicies')
    .option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .addOption(agentNamespaceOption())
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'));
}

/** `undefined` if the command line names no policies. Rejects with a ConfigError or a ManifestError. */
export async function readSelection(names: readonly string[], flags: PolicyFlags): Promise<Selection | undefined> {
  const { allNamespaces, namespace, filename } = flags;
  if (allNamespaces && names.length > 0) throw new ConfigError('-A: names all policies; leave out the others');
  if (allNamespaces) return { kind: 'all' };
  const ids = readNames(names, namespace);
  if (filename) {
    const { objects, problems } = await loadManifests(filename);
    if (problems.length > 0) throw new ManifestError(problems.map(formatProblem).join('\n'));
    const found = idsOfManifests(objects, namespace);
    if (found.length === 0)
      throw new ConfigError(`-f: ${filename.join(', ')} has no NetworkPolicy or ClusterNetworkPolicy`);
    return { kind: 'ids', ids: [...ids, ...found] };
  }
  if (ids.length > 0) return { kind: 'ids', ids };
  return namespace === undefined ? undefined : { kind: 'namespace', namespace };
}
