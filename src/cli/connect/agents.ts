import type { KubeConfig } from '@kubernetes/client-node';
import { objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { runInPod } from '../../watch/exec.ts';

/** What the chart and deploy/ name their pods by. */
const agentLabels = { 'app.kubernetes.io/name': 'postern', 'app.kubernetes.io/component': 'agent' };

const silenceMs = 30_000;

/** The running agent of each node that has one. */
export function agentsByNode(objects: readonly JsonObject[]): Map<string, JsonObject> {
  return new Map(objects.filter(isAgent).map((pod) => [textAt(pod, 'spec', 'nodeName') ?? '', pod]));
}

/** Runs `postern node …` in the pod of an agent, by the user's own right to `pods/exec`, and resolves with what it prints. */
export function askAgent(
  config: KubeConfig,
  agent: JsonObject,
  question: readonly string[],
  finding?: number,
): Promise<string> {
  const pod = { namespace: textAt(agent, 'metadata', 'namespace')!, name: textAt(agent, 'metadata', 'name')! };
  const command = ['postern', 'node', ...question, '-o', 'json'];
  return runInPod(config, { ...pod, container: 'agent' }, command, {
    silenceMs,
    ...(finding !== undefined && { finding }),
  });
}

function isAgent(pod: JsonObject): boolean {
  const labels = objectAt(pod, 'metadata', 'labels');
  const isRunning = pod['kind'] === 'Pod' && textAt(pod, 'status', 'phase') === 'Running';
  return isRunning && Object.entries(agentLabels).every(([key, value]) => labels[key] === value);
}
