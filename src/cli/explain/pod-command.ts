import { renderNotes } from '../notes.ts';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import type { Direction } from '../../evaluator/decision.ts';
import { addressOf } from '../../evaluator/party.ts';
import { findReach } from '../../evaluator/reach.ts';
import type { Reach } from '../../evaluator/reach.ts';
import { families, formatAddress } from '../../model/address.ts';
import { exitCode } from '../exit-code.ts';
import { withManifests } from '../manifest-option.ts';
import { readLiveCluster, readManifestCluster } from './cluster-source.ts';
import { findEnd } from './end-argument.ts';
import type { PodAnswer } from './pod-answer.ts';
import { renderPodGraph } from './render-pod-graph.ts';
import { renderPod } from './render-pod.ts';

interface PodOptions {
  readonly filename?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly pods?: true;
  readonly output: 'text' | 'json' | 'dot';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
POD: shop/web, or a pod of a workload: shop/deployment/web.
The policies at the other end of a connection apply too: "postern explain FROM TO PORT" evaluates both ends.

Examples:
  $ postern explain pod shop/api
  $ postern explain pod -f policies/ shop/api --pods
  $ postern explain pod shop/api -o dot | dot -Tsvg > api.svg

Exit codes: 0 answered, 2 wrong usage or no answer.`;

/** `postern explain pod POD`: which peers can reach the pod, and which can it reach, by which policies? */
export function explainPodCommand({ out, notes }: Streams): Command {
  const command = new Command('pod')
    .summary('show what can reach a pod and what it can reach')
    .description(
      'Shows what can reach a pod and what it can reach: which policies isolate it, and what each rule allows.',
    )
    .argument('<pod>', 'the pod');
  return withManifests(command, 'manifests instead of a cluster: a file, a folder, or - (repeatable)')
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)').conflicts('filename'))
    .addOption(new Option('--context <name>', 'context of the kubeconfig').conflicts('filename'))
    .option('--pods', 'list the matching pods, not only their number')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json', 'dot']).default('text'))
    .addHelpText('after', details)
    .action(async (text: string, own: PodOptions, self: Command) => {
      // Flags before the word "pod" belong to the parent command.
      const above = self.parent?.opts<Partial<PodOptions>>();
      const isDefault = self.getOptionValueSource('output') === 'default';
      const options = { ...above, ...own, output: (isDefault ? above?.output : undefined) ?? own.output };
      if (options.filename && (options.kubeconfig ?? options.context) !== undefined) {
        throw new ConfigError('-f cannot be used with --kubeconfig or --context');
      }
      const source = await (options.filename
        ? readManifestCluster(options.filename)
        : readLiveCluster(options.kubeconfig, options.context));
      const { cluster } = source;
      const named = cluster.pods.get(text);
      // Policies select a pod even before it has an address (S1.6).
      const end = named && named.addresses.length === 0 ? undefined : findEnd(source, text);
      const endpoint = [...(end?.endpoints.values() ?? [])][0];
      const pod = named ?? (endpoint && 'pod' in endpoint ? cluster.pods.get(endpoint.pod) : undefined);
      if (!pod) throw new ConfigError(`${JSON.stringify(text)} is not a pod: write NAMESPACE/POD`);
      const reach = (direction: Direction): Reach => findReach(cluster, pod, direction);
      const addresses = families.flatMap((family) => addressOf(pod, family) ?? []);
      const answer: PodAnswer = {
        pod: pod.key,
        node: pod.nodeName,
        addresses: addresses.map(({ family, value }) => formatAddress(family, value)),
        ingress: reach('ingress'),
        egress: reach('egress'),
      };
      notes.write(renderNotes([...source.notes, ...(end?.notes ?? [])]));
      if (options.output === 'json') out.write(`${JSON.stringify(answer, undefined, 2)}\n`);
      else out.write(options.output === 'dot' ? renderPodGraph(answer) : renderPod(answer, options.pods === true));
      process.exitCode = exitCode.fine;
    });
}
