import type { KubeConfig } from '@kubernetes/client-node';
import type { Verdict } from '../../evaluator/decision.ts';
import type { EnforcingNode } from '../../evaluator/enforcing-nodes.ts';
import { isJsonObject, type JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import type { Family } from '../../model/address.ts';
import { askNodes, type NodeFailure } from '../connect/agents.ts';
import type { NodeTrace } from '../node/trace.ts';
import { formatTraffic, type Traffic } from './port-argument.ts';

/** What the kernel of a node would do, beside what it should. */
export interface KernelAnswer extends EnforcingNode {
  readonly family: Family;
  readonly verdict: Verdict;
  readonly agrees: boolean;
  readonly trace: NodeTrace;
}

/** Asks the agents of the nodes that judge the connection; those that cannot be asked are told apart. */
export async function askKernels(
  config: KubeConfig,
  objects: readonly JsonObject[],
  judges: readonly (EnforcingNode & { readonly family: Family })[],
  traffic: Traffic,
): Promise<{ readonly answers: readonly KernelAnswer[]; readonly unasked: readonly NodeFailure[] }> {
  const kernels: KernelAnswer[] = [];
  const unasked: NodeFailure[] = [];
  for (const judge of judges) {
    const question = ['trace', '--hook', judge.hook, judge.source, judge.destination, formatTraffic(traffic)];
    const { answers, failures } = await askNodes(config, objects, question, readTrace, [judge.node]);
    unasked.push(...failures);
    for (const { answer: trace } of answers) {
      const verdict = trace.verdict === 'accept' ? 'allowed' : 'denied';
      kernels.push({ ...judge, verdict, agrees: verdict === judge.expected, trace });
    }
  }
  return { answers: kernels, unasked };
}

function readTrace(text: string): NodeTrace {
  const raw: unknown = JSON.parse(text);
  if (isJsonObject(raw) && ['path', 'denials', 'foreign'].every((field) => Array.isArray(raw[field])))
    return raw as unknown as NodeTrace;
  throw new Error('its agent said what is not understood; is it of another version?');
}

/** A line a node, and what is wrong. */
export function renderKernels(answers: readonly KernelAnswer[]): string {
  return answers
    .map(({ node, family, directions, verdict, expected, agrees, trace }) => {
      const last = trace.path.at(-1);
      const by = last ? ` by ${last.chain}: ${last.rule}` : '';
      const seen = trace.denials.map(
        ({ direction, packets, secondsAgo }) =>
          `  denied for ${direction} in the last minute: ${plural(packets, 'packet')}, the first ${secondsAgo} s ago\n`,
      );
      const heading = `kernel of ${node} (${directions.join(', ')}; ${family}): ${verdict}${verdict === 'denied' ? by : ''}\n${seen.join('')}`;
      const unread =
        trace.foreign.length > 0
          ? `  another program has written into our tables (${trace.foreign.join(', ')}): what that does is not known\n`
          : '';
      if (agrees) return heading + unread;
      const why = trace.hasTable ? by : ', for it has no rules of ours';
      return `${heading}${unread}  THIS IS WRONG: the policies say ${expected}${verdict === 'allowed' ? why : ''}. Look at the agent's log and \`postern doctor --node ${node}\`\n`;
    })
    .join('');
}
