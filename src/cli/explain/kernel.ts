import type { KubeConfig } from '@kubernetes/client-node';
import type { Verdict } from '../../evaluator/decision.ts';
import type { EnforcingNode } from '../../evaluator/enforcing-nodes.ts';
import { isJsonObject, listAt, textAt, type JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import type { Family } from '../../model/address.ts';
import { askHeld } from '../proof/ask.ts';
import { deviationsOf } from '../proof/deviations.ts';
import { askNodes, unexpected, type NodeFailure } from '../connect/agents.ts';
import type { NodeTrace } from '../node/trace.ts';
import { formatTraffic, type Traffic } from './port-argument.ts';

/** The verdict of the rules in a node's kernel, with the expected one. */
export interface KernelAnswer extends EnforcingNode {
  readonly family: Family;
  readonly verdict: Verdict;
  readonly agrees: boolean;
  readonly trace: NodeTrace;
  /** Of a kernel that denies more than policies say: what its node enforces otherwise than they say. */
  readonly deviations?: readonly string[];
}

interface Connection {
  readonly nodes: readonly (EnforcingNode & { readonly family: Family })[];
  readonly traffic: Traffic;
  readonly agentNamespace: string | undefined;
}

/** Asks the agents of the enforcing nodes. `unasked` lists nodes that did not answer. */
export async function askKernels(
  config: KubeConfig,
  objects: readonly JsonObject[],
  { nodes, traffic, agentNamespace }: Connection,
): Promise<{ readonly answers: readonly KernelAnswer[]; readonly unasked: readonly NodeFailure[] }> {
  const kernels: KernelAnswer[] = [];
  const unasked: NodeFailure[] = [];
  for (const each of nodes) {
    const words = ['trace', '--hook', each.hook, each.source, each.destination, formatTraffic(traffic)];
    const { answers, failures } = await askNodes(config, objects, {
      words,
      read: readTrace,
      nodes: [each.node],
      agentNamespace,
    });
    unasked.push(...failures);
    for (const { answer: trace } of answers) {
      const verdict = trace.verdict === 'accept' ? 'allowed' : 'denied';
      kernels.push({ ...each, verdict, agrees: verdict === each.expected, trace });
    }
  }
  return { answers: kernels, unasked };
}

function readTrace(answer: unknown): NodeTrace {
  const isStep = (step: unknown): boolean => ['chain', 'rule'].every((field) => textAt(step, field) !== undefined);
  const isWhole =
    isJsonObject(answer) &&
    ['path', 'denials', 'foreign'].every((field) => Array.isArray(answer[field])) &&
    listAt(answer, 'path').every(isStep) &&
    listAt(answer, 'denials').every(isJsonObject);
  if (!isWhole) throw new Error(unexpected);
  return answer as unknown as NodeTrace;
}

/** Asks the agents of nodes that deny more than policies say for what they know of that. An agent that does not answer adds nothing. */
export async function explainMismatches(
  config: KubeConfig,
  objects: readonly JsonObject[],
  answers: readonly KernelAnswer[],
  agentNamespace: string | undefined,
): Promise<readonly KernelAnswer[]> {
  const deniesMore = ({ agrees, verdict }: KernelAnswer): boolean => !agrees && verdict === 'denied';
  const nodes = [...new Set(answers.filter(deniesMore).map(({ node }) => node))];
  if (nodes.length === 0) return answers;
  const held = await askHeld(config, objects, { nodes, agentNamespace });
  return answers.map((each) => {
    if (!deniesMore(each)) return each;
    const { node, directions, source, destination } = each;
    const ends = directions.map((direction) => (direction === 'egress' ? source : destination));
    const deviations = [...new Set(ends.flatMap((end) => deviationsOf(node, held.get(node), end)))];
    return { ...each, ...(deviations.length > 0 && { deviations }) };
  });
}

/** One line per node, and mismatches. */
export function renderKernels(answers: readonly KernelAnswer[]): string {
  return answers
    .map(({ node, family, directions, verdict, expected, agrees, trace, deviations = [] }) => {
      const last = trace.path.at(-1);
      const by = last ? ` by ${last.chain}: ${last.rule}` : '';
      const seen = trace.denials.map(
        ({ direction, packets, secondsAgo }) =>
          `  denied for ${direction} in the last minute: ${plural(packets, 'packet')}, first ${secondsAgo} s ago\n`,
      );
      const heading = `kernel of ${node} (${directions.join(', ')}; ${family}): ${verdict}${verdict === 'denied' ? by : ''}\n${seen.join('')}`;
      const unread =
        trace.foreign.length > 0
          ? `  another program has changed the tables of Postern (${trace.foreign.join(', ')}): the effect is unknown\n`
          : '';
      if (agrees) return heading + unread;
      const why = trace.hasTable ? by && `, but it is allowed${by}` : ', but the node has no Postern rules';
      const next =
        deviations.length > 0
          ? `This node allows less than they say:\n${deviations.map((each) => `  - ${each}\n`).join('')}`
          : `Read the agent's log and run \`postern doctor --node ${node}\`\n`;
      return `${heading}${unread}  MISMATCH: the policies say ${expected}${verdict === 'allowed' ? why : ''}. ${next}`;
    })
    .join('');
}
