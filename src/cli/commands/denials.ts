import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { attribute, type Denial } from '../../evaluator/denial.ts';
import { keyOf } from '../../impact/object-key.ts';
import { isJsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { askNodes } from '../connect/agents.ts';
import { exitCode } from '../exit-code.ts';
import { readLiveObjects, toSource } from '../explain/cluster-source.ts';
import { formatTraffic } from '../explain/port-argument.ts';
import type { NodeDenials } from '../node/denials.ts';

type Noted = NodeDenials['denials'][number];

/** One connection that a node has denied, with names and reasons. */
interface Line extends Omit<Noted, 'protocol'>, Denial {
  readonly node: string;
}

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
Each node notes what it drops for a minute: at most 4096 connections in each direction and family, and 100 packets a second; what is beyond that is dropped
all the same. The nodes are asked through \`pods/exec\` into their agents, which you must be allowed. Policies and reasons are those of now: where they
would allow the connection, it says so.

Examples:
  $ postern denials                        what was denied in the last minute, on all nodes
  $ postern denials -n shop                to or from pods of one namespace
  $ postern denials --node n1 -o json | jq -r '.end.isolatedBy[]' | sort | uniq -c

Exit codes: 0 asked, 2 a node could not be, or wrong usage.`;

/** `postern denials`. Sets `process.exitCode`. */
export function denialsCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  return new Command('denials')
    .description(
      'Say which connections were denied in the last minute, by which policies, and what would have allowed them.',
    )
    .option('--kubeconfig <file>', 'how to reach the cluster')
    .option('--context <name>', 'the context of the kubeconfig')
    .option('-n, --namespace <name>', 'only with a pod of this namespace at one end')
    .option('--node <name>', 'only of this node')
    .addOption(new Option('-o, --output <form>', 'text, or an object a line').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action((flags: Flags) => tellDenials(flags, streams));
}

async function tellDenials(
  { kubeconfig, context, namespace, node, output }: Flags,
  { out, notes }: Streams,
): Promise<void> {
  const { config, objects } = await readLiveObjects(kubeconfig, context);
  const { cluster } = toSource(objects, new Map(), []);
  if (node !== undefined && !cluster.nodes.has(node))
    throw new ConfigError(`--node: there is no node ${JSON.stringify(node)}`);
  if (namespace !== undefined && !objects.some((each) => keyOf(each) === `Namespace ${namespace}`))
    throw new ConfigError(`--namespace: there is no namespace ${JSON.stringify(namespace)}`);
  const asked = await askNodes(config, objects, ['denials'], readDenials, node === undefined ? undefined : [node]);
  if (asked.agents === 0) throw new ConfigError('no agent of Postern runs in this cluster, so there is none to ask');
  const lines = asked.answers.flatMap(({ node: name, answer }) =>
    answer.map((noted): Line => ({ node: name, ...noted, ...attribute(cluster, noted) })),
  );
  const isWanted = ({ from, to }: Line): boolean =>
    namespace === undefined || [from, to].some((end) => end.startsWith(`${namespace}/`));
  const wanted = lines.filter(isWanted).sort((a, b) => a.secondsAgo - b.secondsAgo);
  for (const line of wanted) out.write(output === 'json' ? `${JSON.stringify(line)}\n` : renderLine(line));
  if (output === 'text' && wanted.length === 0 && asked.answers.length > 0) {
    const where = asked.failures.length > 0 ? ` on ${asked.answers.map((each) => each.node).join(', ')}` : '';
    out.write(`nothing was denied in the last minute${where}\n`);
  }
  for (const { node: name, why } of asked.failures) notes.write(`note: node ${name} was not asked: ${why}\n`);
  process.exitCode = asked.failures.length > 0 ? exitCode.usage : exitCode.fine;
}

function readDenials(text: string): readonly Noted[] {
  const raw: unknown = JSON.parse(text);
  if (isJsonObject(raw) && Array.isArray(raw['denials'])) return raw['denials'] as readonly Noted[];
  throw new Error('its agent said what is not understood; is it of another version?');
}

function renderLine({ node, direction, from, to, protocol, port, packets, secondsAgo, end }: Line): string {
  const traffic = formatTraffic({ protocol, ...(port !== undefined && { destinationPort: port }) });
  const heading = `${direction} of ${direction === 'egress' ? from : to} denied: ${from} → ${to}, ${traffic}; ${plural(packets, 'packet')}, the first ${secondsAgo} s ago (node ${node})\n`;
  if (end.verdict === 'allowed') {
    return `${heading}  allowed now: ${end.reason}. If it goes on, ask \`postern explain ${from} ${to} ${traffic}\`\n`;
  }
  const misses = end.nearMisses.map(({ policy, path, reason }) => `  - ${reason}\n    ${policy} ${path}\n`);
  return `${heading}  ${end.reason}\n${misses.join('')}`;
}
