import type { KubeConfig } from '@kubernetes/client-node';
import { listAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { parsePrintable, printable } from '../../lib/printable.ts';
import { sorted } from '../../lib/sort.ts';
import { runInPod } from '../../watch/exec.ts';
import { exitCode } from '../exit-code.ts';
import { findAgents, hasAgentLabels, type AgentPod, type FoundAgents } from './find-agents.ts';

const patienceMs = 60_000;
/** Timeout for a node whose kubelet does not report. An exec goes through the kubelet, so it works only if the kubelet is back. */
const lostPatienceMs = 5_000;
const mostAtOnce = 8;

export interface NodeFailure {
  readonly node: string;
  readonly why: string;
}

export interface NodeAnswers<Answer> {
  readonly found: FoundAgents;
  readonly answers: readonly { readonly node: string; readonly answer: Answer }[];
  /** Nodes that did not answer. */
  readonly failures: readonly NodeFailure[];
}

export interface Question<Answer> {
  /** Arguments of `postern node`. */
  readonly words: readonly string[];
  /** Reads the answer, in which all texts are printable. Throws an error with a text for operators if it is of another form. */
  readonly read: (answer: unknown, node: string) => Answer;
  /** Defaults to all nodes with pods. */
  readonly nodes?: readonly string[] | undefined;
  readonly agentNamespace: string | undefined;
  /** Milliseconds for one answer, if they are less than usual. */
  readonly mostMs?: number;
  /** Milliseconds for all answers. */
  readonly allMs?: number;
  /** Ends all questions. */
  readonly signal?: AbortSignal;
}

/** Asks the agents of nodes, up to eight at once, with the user's right to `pods/exec`. Rejects with the ConfigError of `findAgents`. */
export async function askNodes<Answer>(
  config: KubeConfig,
  objects: readonly JsonObject[],
  { words, read, nodes, agentNamespace, mostMs = patienceMs, allMs = Infinity, signal }: Question<Answer>,
): Promise<NodeAnswers<Answer>> {
  const found = findAgents(objects.filter(hasAgentLabels), agentNamespace);
  const agents = new Map(found.agents.map((agent) => [agent.node, agent]));
  const pods = objects.filter((each) => each['kind'] === 'Pod' && textAt(each, 'status', 'phase') !== 'Succeeded');
  const used = new Set(pods.map((pod) => textAt(pod, 'spec', 'nodeName') ?? '').filter((node) => node !== ''));
  const lost = new Set(objects.filter(isLost).map((each) => textAt(each, 'metadata', 'name')));
  const waiting = [...(nodes ?? sorted(used))];
  const answers: { node: string; answer: Answer }[] = [];
  const failures: NodeFailure[] = [];
  const end = performance.now() + allMs;
  const askNext = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      try {
        const leftMs = end - performance.now();
        if (leftMs <= 0) throw new Error('the time was over before it could be asked');
        const patience = Math.ceil(Math.min(mostMs, leftMs, lost.has(node) ? lostPatienceMs : patienceMs));
        const text = await ask(config, agents.get(node), words, { patienceMs: patience, signal });
        answers.push({ node, answer: read(parse(text), node) });
      } catch (error) {
        const why = printable(messageOf(error));
        failures.push({
          node,
          why: lost.has(node) ? `the node is not ready: its kubelet does not report; ${why}` : why,
        });
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, askNext));
  return { found, answers, failures };
}

/** For an answer of another form. */
export const unexpected = 'unexpected response from its agent; check its version';

function parse(text: string): unknown {
  try {
    return parsePrintable(text);
  } catch (cause) {
    throw new Error(unexpected, { cause });
  }
}

/** Runs `postern node …` in an agent pod. Exit code 1 (a finding) is an answer too. */
async function ask(
  config: KubeConfig,
  agent: AgentPod | undefined,
  question: readonly string[],
  limits: { readonly patienceMs: number; readonly signal: AbortSignal | undefined },
): Promise<string> {
  if (!agent) throw new Error('it has no agent');
  const { namespace, name, container, state } = agent;
  if (state !== undefined) throw new Error(`pod ${namespace}/${name}: the agent does not run: ${state}`);
  const command = ['postern', 'node', ...question, '-o', 'json'];
  return runInPod(config, { namespace, name, container }, command, { ...limits, finding: exitCode.finding });
}

/** A node whose condition Ready is Unknown: its kubelet does not report, so the node is down or unreachable. */
function isLost(object: JsonObject): boolean {
  return (
    object['kind'] === 'Node' &&
    listAt(object, 'status', 'conditions').some(
      (each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') === 'Unknown',
    )
  );
}
