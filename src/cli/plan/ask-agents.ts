import type { KubeConfig } from '@kubernetes/client-node';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import { objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import { runInPod } from '../../watch/exec.ts';
import { parseFlows } from './read-flows.ts';

/** What the chart and deploy/ name their pods by. */
const agentLabels = { 'app.kubernetes.io/name': 'postern', 'app.kubernetes.io/component': 'agent' };

export interface Answers {
  /** How many nodes have one. */
  readonly agents: number;
  readonly flows: readonly NodeFlows[];
  /** Nodes that have pods on them and did not tell. */
  readonly failures: readonly { readonly node: string; readonly why: string }[];
}

const mostAtOnce = 8;
const silenceMs = 30_000;

/** Asks the agent of each node that pods run on for the flows that its kernel tracks, by the user's own right to `pods/exec`. */
export async function askAgents(config: KubeConfig, objects: readonly JsonObject[]): Promise<Answers> {
  const pods = objects.filter(
    (object) => object['kind'] === 'Pod' && textAt(object, 'status', 'phase') !== 'Succeeded',
  );
  const agents = new Map(pods.filter(isAgent).map((pod) => [textAt(pod, 'spec', 'nodeName') ?? '', pod]));
  const waiting = sorted(new Set(pods.map((pod) => textAt(pod, 'spec', 'nodeName') ?? ''))).filter(
    (node) => node !== '',
  );
  const flows: NodeFlows[] = [];
  const failures: { node: string; why: string }[] = [];
  const askNext = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      const agent = agents.get(node);
      if (!agent) failures.push({ node, why: 'it has no agent' });
      else {
        try {
          flows.push({ ...parseFlows(await ask(config, agent), `node ${node}`), node });
        } catch (error) {
          failures.push({ node, why: error instanceof Error ? error.message : String(error) });
        }
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, askNext));
  return { agents: agents.size, flows, failures };
}

function ask(config: KubeConfig, agent: JsonObject): Promise<string> {
  const pod = { namespace: textAt(agent, 'metadata', 'namespace')!, name: textAt(agent, 'metadata', 'name')! };
  return runInPod(config, { ...pod, container: 'agent' }, ['postern', 'node', 'flows', '-o', 'json'], { silenceMs });
}

function isAgent(pod: JsonObject): boolean {
  const labels = objectAt(pod, 'metadata', 'labels');
  const isRunning = textAt(pod, 'status', 'phase') === 'Running';
  return isRunning && Object.entries(agentLabels).every(([key, value]) => labels[key] === value);
}
