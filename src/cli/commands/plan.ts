import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { computeImpact } from '../../impact/impact.ts';
import type { Impact } from '../../impact/impact.ts';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import { keyOf } from '../../impact/object-key.ts';
import type { JsonObject } from '../../lib/json.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem } from '../../manifests/problem.ts';
import { exitCode } from '../exit-code.ts';
import { withManifests } from '../manifest-option.ts';
import { askAgents } from '../plan/ask-agents.ts';
import { readFlowsFile } from '../plan/read-flows.ts';
import { renderPlan } from '../plan/render.ts';
import { readSides } from '../plan/sides.ts';
import type { Sides } from '../plan/sides.ts';

interface PlanOptions {
  readonly filename?: readonly string[];
  readonly base?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly delete?: true;
  readonly flows?: readonly string[] | false;
  readonly pairs?: true;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
On a cluster it asks each node, through "pods/exec" into its agent and with your rights, for the flows that the kernel tracks, and judges each
before and after. With --base, or where no node can be asked, it judges every pair of pods on the ports that they declare.
Nothing is written. What is given is created, or takes the place of what is there; workloads count by their templates.

Examples:
  $ postern plan -f policy.yaml                         what would this cut on the cluster that kubectl would use?
  $ postern plan -f policies/ --delete                  and what would their removal?
  $ kustomize build | postern plan -f - -o json
  $ postern plan -f policy.yaml --base cluster/         of manifests alone, no cluster needed
  $ postern plan -f policy.yaml --base cluster/ --flows n1.json --flows n2.json

Exit codes: 0 nothing would be cut; 1 something would be; 2 wrong usage, something given is not valid, or not all nodes have answered.`;

/** `postern plan -f FILE`: what would this change? Sets `process.exitCode`; rejects for what cannot be asked. */
export function planCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const append = (value: string, earlier?: string[]): string[] => [...(earlier ?? []), value];
  const command = new Command('plan').description(
    'Say what would change if manifests were applied: which pods become isolated, which flows would be cut, which would open.',
  );
  return withManifests(command, 'what would be applied: a file, a folder, or - (repeatable)')
    .option('--delete', 'as if it were deleted instead')
    .addOption(
      new Option('--base <PATH>', 'the cluster as manifests: a file or a folder (repeatable)').argParser(append),
    )
    .addOption(new Option('--kubeconfig <file>', 'how to reach the cluster').conflicts('base'))
    .addOption(new Option('--context <name>', 'the context of the kubeconfig').conflicts('base'))
    .addOption(
      new Option('--flows <FILE>', 'flows that a node has printed, instead of asking the nodes (repeatable)').argParser(
        append,
      ),
    )
    .option('--no-flows', 'ask no node: judge declared ports')
    .option('--pairs', 'judge declared ports besides the flows')
    .addOption(new Option('-o, --output <form>', 'the form of the answer').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action((options: PlanOptions) => plan(options, streams));
}

async function plan(options: PlanOptions, { out, notes }: Streams): Promise<void> {
  if (!options.filename) throw new ConfigError('-f is missing: name what would be applied');
  const { objects: given, problems } = await loadManifests(options.filename);
  const where = { base: options.base, kubeconfig: options.kubeconfig, context: options.context };
  const sides = await readSides(given, options.delete === true, where);
  const seen = await readSeen(options, sides);
  const question = { before: sides.before, after: sides.after, seen: seen.flows };
  const impact = computeImpact({ ...question, pairs: options.pairs === true || !seen.flows });
  for (const note of new Set([...sides.notes, ...seen.notes])) notes.write(`note: ${note}\n`);
  for (const problem of problems) notes.write(`postern: ${formatProblem(problem)}; it is left out\n`);
  out.write(
    options.output === 'json' ? toJson(sides, impact, problems.map(formatProblem)) : renderPlan(sides.changes, impact),
  );
  const isValid = problems.length === 0 && !hasInvalid(sides, impact);
  const cut = isCut(impact);
  if (!isValid) process.exitCode = exitCode.usage;
  else process.exitCode = cut ? exitCode.finding : seen.isWhole ? exitCode.fine : exitCode.usage;
}

interface Seen {
  readonly flows: readonly NodeFlows[] | undefined;
  readonly notes: readonly string[];
  /** Every node with pods has told. */
  readonly isWhole: boolean;
}

async function readSeen(options: PlanOptions, { before, isAddressed, config }: Sides): Promise<Seen> {
  if (options.flows === false) return { flows: undefined, notes: [], isWhole: true };
  if (options.flows) {
    if (!isAddressed) {
      const dump = 'kubectl get namespaces,nodes,pods,networkpolicies -A -o yaml';
      throw new ConfigError(`--flows: they name addresses, and no pod of --base has one: give what "${dump}" prints`);
    }
    const flows = await Promise.all(options.flows.map(readFlowsFile));
    return { flows, notes: unknownNodes(flows, before), isWhole: true };
  }
  if (!config) return { flows: undefined, notes: [], isWhole: true };
  const { agents, flows, failures } = await askAgents(config, before);
  const pairs = 'so pairs of pods are judged on the ports that they declare';
  if (agents === 0) return { flows: undefined, notes: [`there is no agent on any node, ${pairs}`], isWhole: true };
  const notes = failures.map(({ node, why }) => `the flows of node ${node} are not among these: ${why}`);
  if (flows.length > 0) return { flows, notes, isWhole: failures.length === 0 };
  return { flows: undefined, notes: [...notes, `no node has told of its flows, ${pairs}`], isWhole: false };
}

function unknownNodes(flows: readonly NodeFlows[], objects: readonly JsonObject[]): string[] {
  const keys = new Set(objects.map(keyOf));
  const unknown = flows.flatMap(({ node }) => (node === undefined || keys.has(`Node ${node}`) ? [] : [node]));
  return unknown.map((node) => `there is no node ${node}: which of the flows are its own cannot be told`);
}

function isCut({ flows, pairs }: Impact): boolean {
  return (flows?.cut.length ?? 0) > 0 || (pairs?.cut.length ?? 0) > 0;
}

/** Something given is refused, or is a policy that is not understood in part. */
function hasInvalid({ changes }: Sides, { issues }: Impact): boolean {
  return changes.some(({ object, change }) => {
    return change === 'refused' || (change !== 'deleted' && issues.has(object.replace(/^NetworkPolicy /, '')));
  });
}

function toJson({ changes }: Sides, { issues, ...impact }: Impact, problems: readonly string[]): string {
  const objects = changes.map((each) => {
    const found = each.change === 'deleted' ? undefined : issues.get(each.object.replace(/^NetworkPolicy /, ''));
    return { ...each, ...(found && { issues: found }) };
  });
  return `${JSON.stringify({ cut: isCut({ issues, ...impact }), problems, objects, ...impact }, undefined, 2)}\n`;
}
