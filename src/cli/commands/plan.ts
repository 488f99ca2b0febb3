import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { computeImpact } from '../../impact/impact.ts';
import type { Impact } from '../../impact/impact.ts';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import { keyOf } from '../../impact/object-key.ts';
import type { JsonObject } from '../../lib/json.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem } from '../../manifests/problem.ts';
import { agentNamespaceOption, describeOthers } from '../connect/find-agents.ts';
import { printable } from '../../lib/printable.ts';
import { exitCode } from '../exit-code.ts';
import { renderNotes } from '../notes.ts';
import { append, withManifests } from '../manifest-option.ts';
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
  readonly agentNamespace?: string;
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
On a cluster, the command asks the agent of each node for the flows that the kernel tracks, through "pods/exec" with your rights. It
evaluates each flow before and after the change. With --base, or if no node answers, it evaluates every pair of pods on their declared ports.
It writes nothing. Given objects are created or replace existing ones; workloads count by their templates.

Examples:
  $ postern plan -f policy.yaml                         what would this cut on the cluster of your kubeconfig?
  $ postern plan -f policies/ --delete                  what would deleting these policies open?
  $ kustomize build | postern plan -f - -o json
  $ postern plan -f policy.yaml --base cluster/         from manifests, without a cluster
  $ postern plan -f policy.yaml --base cluster/ --flows n1.json --flows n2.json

Exit codes: 0 no flow would be cut; 1 flows would be cut; 2 wrong usage, an invalid object, or not all nodes answered.`;

/** `postern plan -f FILE`: what would this change? Sets `process.exitCode`; rejects with a ConfigError. */
export function planCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const command = new Command('plan').description(
    'Shows what would change if manifests were applied: which pods become isolated, which flows would be cut, and which would open.',
  );
  return withManifests(command, 'manifests to apply: a file, a folder, or - (repeatable)')
    .option('--delete', 'delete the objects instead of applying them')
    .addOption(
      new Option('--base <PATH>', 'the cluster as manifests: a file or a folder (repeatable)').argParser(append),
    )
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)').conflicts('base'))
    .addOption(new Option('--context <name>', 'context of the kubeconfig').conflicts('base'))
    .addOption(agentNamespaceOption().conflicts('base'))
    .addOption(
      new Option(
        '--flows <FILE>',
        'output of "postern node flows -o json", instead of asking the nodes (repeatable)',
      ).argParser(append),
    )
    .option('--no-flows', 'do not ask the nodes; evaluate declared ports')
    .option('--pairs', 'evaluate declared ports in addition to flows')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action((options: PlanOptions) => plan(options, streams));
}

async function plan(options: PlanOptions, { out, notes }: Streams): Promise<void> {
  if (!options.filename) throw new ConfigError('-f is missing: name the manifests to apply');
  const { objects: given, problems } = await loadManifests(options.filename);
  const where = { base: options.base, kubeconfig: options.kubeconfig, context: options.context };
  const sides = await readSides(given, options.delete === true, where);
  const seen = await readSeen(options, sides);
  const question = { before: sides.before, after: sides.after, seen: seen.flows };
  const impact = computeImpact({ ...question, pairs: options.pairs === true || !seen.flows });
  notes.write(renderNotes([...sides.notes, ...seen.notes]));
  for (const problem of problems) notes.write(`postern: ${printable(formatProblem(problem))}; document skipped\n`);
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
  /** Every node with pods has answered. */
  readonly isWhole: boolean;
}

async function readSeen(options: PlanOptions, { before, isAddressed, config }: Sides): Promise<Seen> {
  if (options.flows === false) return { flows: undefined, notes: [], isWhole: true };
  if (options.flows) {
    if (!isAddressed) {
      const dump = 'kubectl get namespaces,nodes,pods,networkpolicies -A -o json';
      throw new ConfigError(
        `--flows: flows need pod addresses, but no pod of --base has one: pass the output of "${dump}"`,
      );
    }
    const flows = await Promise.all(options.flows.map(readFlowsFile));
    return { flows, notes: unknownNodes(flows, before), isWhole: true };
  }
  if (!config) return { flows: undefined, notes: [], isWhole: true };
  const { found, flows, failures } = await askAgents(config, before, options.agentNamespace);
  const pairs = 'so the plan evaluates pairs of pods on their declared ports';
  if (found.agents.length === 0) {
    const notes = [`no node has an agent, ${pairs}${describeOthers(found.others)}`];
    return { flows: undefined, notes, isWhole: true };
  }
  const notes = failures.map(({ node, why }) => `the flows of node ${node} are missing: ${why}`);
  if (flows.length > 0) return { flows, notes, isWhole: failures.length === 0 };
  return { flows: undefined, notes: [...notes, `no node answered, ${pairs}`], isWhole: false };
}

function unknownNodes(flows: readonly NodeFlows[], objects: readonly JsonObject[]): string[] {
  const keys = new Set(objects.map(keyOf));
  const unknown = flows.flatMap(({ node }) => (node === undefined || keys.has(`Node ${node}`) ? [] : [node]));
  return unknown.map((node) => `node ${node} does not exist: the plan cannot tell which flows are its own`);
}

function isCut({ flows, pairs }: Impact): boolean {
  return (flows?.cut.length ?? 0) > 0 || (pairs?.cut.length ?? 0) > 0;
}

/** Whether a given object is refused, or is a policy with an invalid part. */
function hasInvalid({ changes }: Sides, { issues }: Impact): boolean {
  return changes.some(({ object, change }) => {
    return change === 'refused' || (change !== 'deleted' && issues.has(object));
  });
}

function toJson({ changes }: Sides, { issues, ...impact }: Impact, problems: readonly string[]): string {
  const objects = changes.map((each) => {
    const found = each.change === 'deleted' ? undefined : issues.get(each.object);
    return { ...each, ...(found && { issues: found }) };
  });
  return `${JSON.stringify({ cut: isCut({ issues, ...impact }), problems, objects, ...impact }, undefined, 2)}\n`;
}
