import type { KubeConfig } from '@kubernetes/client-node';
import { listAt, objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import { runInPod } from '../../watch/exec.ts';
import { exitCode } from '../exit-code.ts';
import { messageOf } from '../../lib/message-of.ts';

/** Labels of agent pods in the chart and in deploy/. */
export const agentLabels = { 'app.kubernetes.io/name': 'postern', 'app.kubernetes.io/component': 'agent' };

const container = 'agent';
const patienceMs = 60_000;
/** Timeout for a node whose kubelet does not report. An exec goes through the kubelet, so it works only if the kubelet is back. */
const lostPatienceMs = 5_000;
const mostAtOnce = 8;

export interface NodeFailure {
  readonly node: string;
  readonly why: string;
}

export interface NodeAnswers<Answer> {
  /** Number of nodes with an agent. */
  readonly agents: number;
  readonly answers: readonly { readonly node: string; readonly answer: Answer }[];
  /** Nodes that did not answer. */
  readonly failures: readonly NodeFailure[];
}

/** Asks the agents of nodes, up to eight at once, with the user's right to `pods/exec`. `nodes` defaults to all nodes with pods. */
export async function askNodes<Answer>(
  config: KubeConfig,
  objects: readonly JsonObject[],
  question: readonly string[],
  read: (text: string, node: string) => Answer,
  nodes?: readonly string[],
): Promise<NodeAnswers<Answer>> {
  const pods = objects.filter((each) => each['kind'] === 'Pod' && textAt(each, 'status', 'phase') !== 'Succeeded');
  const agents = new Map(
    pods
      .filter(isAgent)
      .toSorted(runningLast)
      .map((pod) => [textAt(pod, 'spec', 'nodeName') ?? '', pod]),
  );
  const used = new Set(pods.map((pod) => textAt(pod, 'spec', 'nodeName') ?? '').filter((node) => node !== ''));
  const lost = new Set(objects.filter(isLost).map((each) => textAt(each, 'metadata', 'name')));
  const waiting = [...(nodes ?? sorted(used))];
  const answers: { node: string; answer: Answer }[] = [];
  const failures: NodeFailure[] = [];
  const askNext = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      try {
        const patience = lost.has(node) ? lostPatienceMs : patienceMs;
        answers.push({ node, answer: read(await ask(config, agents.get(node), question, patience), node) });
      } catch (error) {
        const why = messageOf(error);
        failures.push({
          node,
          why: lost.has(node) ? `the node is not ready: its kubelet does not report; ${why}` : why,
        });
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, askNext));
  return { agents: agents.size, answers, failures };
}

/** Runs `postern node …` in an agent pod. Exit code 1 (a finding) is an answer too. */
async function ask(
  config: KubeConfig,
  agent: JsonObject | undefined,
  question: readonly string[],
  patience: number,
): Promise<string> {
  if (!agent) throw new Error('it has no agent');
  const pod = { namespace: textAt(agent, 'metadata', 'namespace')!, name: textAt(agent, 'metadata', 'name')! };
  const state = whyNotRunning(agent, container);
  if (state !== undefined) throw new Error(`pod ${pod.namespace}/${pod.name}: the agent does not run: ${state}`);
  const command = ['postern', 'node', ...question, '-o', 'json'];
  return runInPod(config, { ...pod, container }, command, { patienceMs: patience, finding: exitCode.finding });
}

/**
 * Why a container does not run, for example `CrashLoopBackOff`; `undefined` if it runs. The container status decides, because the
 * phase of a pod stays Running between two crashes.
 */
export function whyNotRunning(pod: unknown, name: string | undefined): string | undefined {
  const status = listAt(pod, 'status', 'containerStatuses').find((each) => textAt(each, 'name') === name);
  const reason = textAt(status, 'state', 'waiting', 'reason') ?? textAt(status, 'state', 'terminated', 'reason');
  const deleted = textAt(pod, 'metadata', 'deletionTimestamp') !== undefined;
  const phase = deleted ? 'Terminating' : (textAt(pod, 'status', 'phase') ?? 'Unknown');
  return reason ?? (phase === 'Running' ? undefined : phase);
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

function isAgent(pod: JsonObject): boolean {
  const labels = objectAt(pod, 'metadata', 'labels');
  return Object.entries(agentLabels).every(([key, value]) => labels[key] === value);
}

/** Sorts running pods last: an evicted pod may still exist beside its replacement. */
function runningLast(a: JsonObject, b: JsonObject): number {
  const isRunning = (pod: JsonObject): number => Number(whyNotRunning(pod, container) === undefined);
  return isRunning(a) - isRunning(b);
}
