import { Command, Option } from 'commander';
import { deniedAddress } from '../../compile/denials.ts';
import { ConfigError } from '../../config/config-error.ts';
import { attribute, type Denial } from '../../evaluator/denial.ts';
import { leaveOut } from '../../evaluator/left-out.ts';
import { isJsonObject, listAt } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { canonicalAddress, familyOf } from '../../model/address.ts';
import { directions } from '../../model/policy.ts';
import { askNodes, unexpected } from '../connect/agents.ts';
import { agentNamespaceOption, requireAgents } from '../connect/find-agents.ts';
import { exitCode } from '../exit-code.ts';
import { checkNamespace } from '../flows/read-traffic.ts';
import { readLiveObjects, toSource } from '../explain/cluster-source.ts';
import { formatTraffic } from '../explain/port-argument.ts';
import type { NodeDenials } from '../node/denials.ts';
import { askHeld } from '../proof/ask.ts';
import { deviationsOf, whysLeftOut } from '../proof/deviations.ts';

type Noted = NodeDenials['denials'][number];

/** A denied connection of one node, with names and reasons. */
interface Line extends Omit<Noted, 'protocol'>, Denial {
  readonly node: string;
  /** Of a connection that the policies allow: what the node enforces otherwise than they say. */
  readonly deviations?: readonly string[];
}

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly agentNamespace?: string;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
Each node records its denials for one minute: at most 4096 connections per direction and family, and 100 packets per second. It drops further packets
without a record. The command runs \`pods/exec\` in the agents with your rights. Policies and reasons are the current ones: if they allow the
connection now, the output says so. If the node leaves out the rules of a policy, the output says so too.

Examples:
  $ postern denials                        denials of the last minute, on all nodes
  $ postern denials -n shop                to or from pods of one namespace
  $ postern denials --node n1 -o json | jq -r '.end.isolatedBy[]' | sort | uniq -c
  $ postern denials -o json | jq -r '.deniedBy | select(.policy) | [.tier, .policy, .rule, .name] | @tsv'

Exit codes: 0 all nodes answered, 2 a node did not answer, or wrong usage.`;

/** `postern denials`. Sets `process.exitCode`. */
export function denialsCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  return new Command('denials')
    .description(
      'Lists the connections that were denied in the last minute: the rule of a ClusterNetworkPolicy that denies them, or the policies that isolate the pod and the rules that nearly allow them.',
    )
    .option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('-n, --namespace <name>', 'only connections with a pod of this namespace')
    .option('--node <name>', 'only this node')
    .addOption(agentNamespaceOption())
    .addOption(
      new Option('-o, --output <format>', 'text, or one JSON object per line')
        .choices(['text', 'json'])
        .default('text'),
    )
    .addHelpText('after', details)
    .action((flags: Flags) => tellDenials(flags, streams));
}

async function tellDenials(
  { kubeconfig, context, namespace, node, agentNamespace, output }: Flags,
  { out, notes }: Streams,
): Promise<void> {
  const { config, objects } = await readLiveObjects(kubeconfig, context);
  const { cluster } = toSource(objects, new Map(), []);
  if (node !== undefined && !cluster.nodes.has(node))
    throw new ConfigError(`--node: node ${JSON.stringify(node)} does not exist`);
  checkNamespace(objects, namespace);
  const nodes = node === undefined ? undefined : [node];
  const asked = await askNodes(config, objects, { words: ['denials'], read: readDenials, nodes, agentNamespace });
  requireAgents(asked.found);
  const denying = asked.answers.filter(({ answer }) => answer.length > 0);
  const held = await askHeld(config, objects, { nodes: denying.map((each) => each.node), agentNamespace });
  const lines = denying.flatMap(({ node: name, answer }) => {
    const enforced = leaveOut(cluster, whysLeftOut(name, held.get(name)));
    return answer.map((noted): Line => {
      const found = attribute(enforced, noted);
      const deviations =
        found.end.verdict === 'allowed' ? deviationsOf(name, held.get(name), deniedAddress(noted)) : [];
      return { node: name, ...noted, ...found, ...(deviations.length > 0 && { deviations }) };
    });
  });
  const isWanted = ({ from, to }: Line): boolean =>
    namespace === undefined || [from, to].some((end) => end.startsWith(`${namespace}/`));
  const wanted = lines.filter(isWanted).sort((a, b) => a.secondsAgo - b.secondsAgo);
  for (const line of wanted) out.write(output === 'json' ? `${JSON.stringify(line)}\n` : renderLine(line));
  if (output === 'text' && wanted.length === 0 && asked.answers.length > 0) {
    const where = asked.failures.length > 0 ? ` on ${asked.answers.map((each) => each.node).join(', ')}` : '';
    out.write(`no connection was denied in the last minute${where}\n`);
  }
  for (const { node: name, why } of asked.failures) notes.write(`note: node ${name} did not answer: ${why}\n`);
  const silent = [...held].flatMap(([name, page]) => ('unknown' in page ? [{ name, why: page.unknown }] : []));
  for (const { name, why } of silent) {
    notes.write(`note: node ${name} did not say which policies it leaves out, so reasons assume none: ${why}\n`);
  }
  process.exitCode = asked.failures.length + silent.length > 0 ? exitCode.usage : exitCode.fine;
}

function readDenials(answer: unknown): readonly Noted[] {
  const noted = isJsonObject(answer) && Array.isArray(answer['denials']) ? listAt(answer, 'denials') : undefined;
  if (noted?.every(isNoted)) return noted;
  throw new Error(unexpected);
}

function isNoted(value: unknown): value is Noted {
  if (!isJsonObject(value)) return false;
  const { direction, family, source, destination, protocol, port, packets, secondsAgo } = value;
  const isAddress = (text: unknown): boolean =>
    typeof text === 'string' && canonicalAddress(text) === text && familyOf(text) === family;
  return (
    directions.some((each) => each === direction) &&
    [source, destination].every(isAddress) &&
    typeof protocol === 'string' &&
    [port ?? 0, packets, secondsAgo].every((number) => typeof number === 'number')
  );
}

function renderLine(line: Line): string {
  const { node, direction, from, to, protocol, port, packets, secondsAgo, deniedBy, end, deviations = [] } = line;
  const traffic = formatTraffic({ protocol, ...(port !== undefined && { destinationPort: port }) });
  const heading = `${direction} of ${direction === 'egress' ? from : to} denied: ${from} → ${to}, ${traffic}; ${plural(packets, 'packet')}, first ${secondsAgo} s ago (node ${node})\n`;
  if (end.verdict === 'allowed') {
    const less = deviations.map((each) => `  ${each}\n`).join('');
    return `${heading}  allowed now: ${end.reason}. If denials continue, run \`postern explain ${from} ${to} ${traffic}\`\n${less}`;
  }
  const misses = end.nearMisses.map(({ policy, path, reason }) => `  - ${reason}\n    ${policy} ${path}\n`);
  const rule = deniedBy?.path === undefined ? '' : `    ${deniedBy.policy} ${deniedBy.path}\n`;
  return `${heading}  ${end.reason}\n${rule}${misses.join('')}`;
}
