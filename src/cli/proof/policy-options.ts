import type { KubeConfig } from '@kubernetes/client-node';
import { Option, type Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem, ManifestError } from '../../manifests/problem.ts';
import { agentNamespaceOption } from '../connect/find-agents.ts';
import { exitCode } from '../exit-code.ts';
import { foreignPolicies } from '../explain/cluster-source.ts';
import { withManifests } from '../manifest-option.ts';
import { policiesOfManifests, readNames, type Selection } from './select.ts';

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

/** What the command line asks about. */
export interface Asked {
  /** `undefined` if it names no policies. */
  readonly selection: Selection | undefined;
  /** Manifests that the command cannot judge, as sentences. */
  readonly foreign: readonly string[];
}

/** Rejects with a ConfigError or a ManifestError. */
export async function readSelection(names: readonly string[], flags: PolicyFlags, config: KubeConfig): Promise<Asked> {
  const { allNamespaces, namespace, filename } = flags;
  if (allNamespaces && names.length > 0) throw new ConfigError('-A: names all policies; leave out the others');
  if (allNamespaces) return { selection: { kind: 'all' }, foreign: [] };
  const ids = readNames(names, namespace);
  if (filename) {
    const { objects, problems } = await loadManifests(filename);
    if (problems.length > 0) throw new ManifestError(problems.map(formatProblem).join('\n'));
    const current = config.getContextObject(config.getCurrentContext())?.namespace;
    const given = policiesOfManifests(objects, namespace ?? current ?? 'default');
    const foreign = foreignPolicies(objects);
    if (given.size === 0) {
      const none = `-f: ${filename.join(', ')} has no NetworkPolicy or ClusterNetworkPolicy`;
      throw new ConfigError([none, ...foreign].join('\n'));
    }
    return { selection: { kind: 'ids', ids: [...ids, ...given.keys()], given }, foreign };
  }
  if (ids.length > 0) return { selection: { kind: 'ids', ids }, foreign: [] };
  return { selection: namespace === undefined ? undefined : { kind: 'namespace', namespace }, foreign: [] };
}

/** A manifest that was not judged counts more than a policy that is not enforced. */
export function exitCodeOf(isProven: boolean, foreign: Asked['foreign']): number {
  if (foreign.length > 0) return exitCode.usage;
  return isProven ? exitCode.fine : exitCode.finding;
}
