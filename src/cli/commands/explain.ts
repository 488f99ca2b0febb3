import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import type { Decision, Flow, Verdict } from '../../evaluator/decision.ts';
import { evaluateAudits } from '../../evaluator/audit.ts';
import { enforcingNodesOf, type EnforcingNode } from '../../evaluator/enforcing-nodes.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { agentNamespaceOption } from '../connect/find-agents.ts';
import { exitCode } from '../exit-code.ts';
import { renderNotes } from '../notes.ts';
import { withManifests } from '../manifest-option.ts';
import {
  fromManifests,
  readLiveObjects,
  readManifestCluster,
  readServices,
  toSource,
} from '../explain/cluster-source.ts';
import { findAssumed, restsOnAddresses } from '../explain/assumption.ts';
import { commonFamilies, findEnd, isLoopback } from '../explain/end-argument.ts';
import { askKernels, explainMismatches, renderKernels, type KernelAnswer } from '../explain/kernel.ts';
import { explainPodCommand } from '../explain/pod-command.ts';
import { formatTraffic, readPortArgument } from '../explain/port-argument.ts';
import { mayBeService, refuseServicePort, refuseService } from '../explain/service-argument.ts';
import { renderExplanation } from '../explain/render.ts';
import type { Explanation } from '../explain/render.ts';

interface ExplainOptions {
  readonly filename?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly family?: Family;
  readonly agentNamespace?: string;
  /** Whether to ask the nodes for their kernel's verdict. */
  readonly nodes: boolean;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const examples = `
FROM and TO:
  shop/web              a pod
  shop/deployment/web   a pod of a workload
  node/n1, host/db      a node; a machine outside (kind Host, in manifests)
  10.0.0.2, fd00::2     an address: stands for its owner

PORT: TCP/80, UDP/53, SCTP/7, 80 (TCP), a port name of TO, or icmp. PORT is the port of the pod, not of a Service. If TO is the address of a
Service, the error message names its pods.

On a cluster, the command also asks the agents of the nodes that enforce policies on the connection, through \`pods/exec\`: it compares the
rules in their kernels with the policies. If a node does not answer, the command prints a note.

Examples:
  $ postern explain shop/web shop/api TCP/8080                  on the cluster of your kubeconfig
  $ postern explain -f policies/ shop/web shop/api http         from manifests, without a cluster
  $ kustomize build | postern explain -f - shop/deployment/web 10.0.0.2 5432
  $ postern explain -f examples/first-light -o json office/desk shop/api icmp
  $ postern explain pod shop/api                                what can reach this pod, and what can it reach?

Exit codes: 0 allowed, 1 denied, 2 wrong usage or no answer, 3 the rules in a kernel contradict the policies.`;

/** `postern explain FROM TO PORT`: is this allowed, and why? Sets `process.exitCode`; rejects with a ConfigError. */
export function explainCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const command = new Command('explain')
    .description(
      'Shows whether a connection is allowed, and why: for each end, the policies and the rule that allows it, or the rules that nearly do.',
    )
    .argument('<from>', 'the source of the connection')
    .argument('<to>', 'the destination behind any Service')
    .argument('<port>', 'the port of the destination')
    .enablePositionalOptions()
    .addCommand(explainPodCommand(streams));
  return withManifests(command, 'manifests instead of a cluster: a file, a folder, or - (repeatable)')
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)').conflicts('filename'))
    .addOption(new Option('--context <name>', 'context of the kubeconfig').conflicts('filename'))
    .addOption(new Option('--family <family>', 'address family (default: all that both ends have)').choices(families))
    .addOption(agentNamespaceOption().conflicts('filename'))
    .addOption(new Option('--no-nodes', 'do not check the rules in the kernels of the nodes').conflicts('filename'))
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', examples)
    .action((from: string, to: string, port: string, options: ExplainOptions) =>
      explain(from, to, port, options, streams),
    );
}

async function explain(
  fromText: string,
  toText: string,
  portText: string,
  options: ExplainOptions,
  { out, notes }: Streams,
): Promise<void> {
  const first = await answer(fromText, toText, portText, options);
  // Objects may have changed between the lists and the kernel's answer, so a contradiction is checked again.
  const last = isAgreed(first.kernels) ? first : await answer(fromText, toText, portText, options);
  const { source, from, to, traffic, verdict, decisions, unasked, live } = last;
  const kernels =
    live && last.kernels && (await explainMismatches(live.config, live.objects, last.kernels, options.agentNamespace));
  const ends = { source: from.endpoints, destination: to.endpoints };
  const assumed =
    options.output === 'json' || restsOnAddresses(source.cluster, decisions, ends) ? findAssumed(source, ends) : [];
  const silent = unasked.map(({ node, why }) => `the rules in the kernel of ${node} were not checked: ${why}`);
  notes.write(renderNotes([...source.notes, ...last.notes, ...from.notes, ...to.notes, ...assumed, ...silent]));
  const explanation: Explanation = { verdict, families: decisions };
  out.write(
    options.output === 'json'
      ? `${JSON.stringify({ ...explanation, ...(kernels && { kernels }) }, undefined, 2)}\n`
      : renderExplanation(explanation, from.name, to.name, formatTraffic(traffic)) + renderKernels(kernels ?? []),
  );
  process.exitCode = verdict === 'denied' ? exitCode.finding : exitCode.fine;
  if (!isAgreed(kernels)) process.exitCode = exitCode.disagreement;
}

function isAgreed(kernels: readonly KernelAnswer[] = []): boolean {
  return kernels.every(({ agrees }) => agrees);
}

const noServices = { services: [], notes: [] };

async function answer(fromText: string, toText: string, portText: string, options: ExplainOptions) {
  const live = options.filename ? undefined : await readLiveObjects(options.kubeconfig, options.context, fromManifests);
  const source = live ? toSource(live.objects, new Map(), []) : await readManifestCluster(options.filename!);
  const { services, notes } = live && mayBeService(toText) ? await readServices(live.config) : noServices;
  const objects = [...source.objects, ...services];
  refuseService(objects, toText, portText);
  for (const text of [fromText, toText].filter(isLoopback)) {
    throw new ConfigError(`${text}: loopback traffic never leaves the pod, so NetworkPolicy does not apply`);
  }
  const from = findEnd(source, fromText);
  const to = findEnd(source, toText);
  const asked = commonFamilies(from, to, options.family);
  const traffic = readPortArgument(portText, source.cluster, to.endpoints.get(asked[0]!)!, asked[0]!);
  refuseServicePort(objects, source.cluster, toText, traffic);
  const decisions: Partial<Record<Family, Decision>> = {};
  const enforcing: (EnforcingNode & { readonly family: Family })[] = [];
  for (const family of asked) {
    const pair = { source: from.endpoints.get(family)!, destination: to.endpoints.get(family)! };
    const flow: Flow = { ...pair, ...traffic, family };
    const decision = evaluateAudits(source.cluster, flow);
    decisions[family] = decision;
    enforcing.push(...enforcingNodesOf(source.cluster, flow, decision).map((each) => ({ ...each, family })));
  }
  const denied = Object.values(decisions).some(({ verdict }) => verdict === 'denied');
  const verdict: Verdict = denied ? 'denied' : 'allowed';
  const { answers: kernels, unasked } =
    live && options.nodes
      ? await askKernels(live.config, live.objects, {
          nodes: enforcing,
          traffic,
          agentNamespace: options.agentNamespace,
        })
      : { answers: undefined, unasked: [] };
  return { source, notes, from, to, traffic, verdict, decisions, kernels, unasked, live };
}
