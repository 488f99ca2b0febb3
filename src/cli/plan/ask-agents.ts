import type { KubeConfig } from '@kubernetes/client-node';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import { textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import { agentsByNode, askAgent } from '../connect/agents.ts';
import { parseFlows } from './read-flows.ts';

export interface Answers {
  /** How many nodes have one. */
  readonly agents: number;
  readonly flows: readonly NodeFlows[];
  /** Nodes that have pods on them and did not tell. */
  readonly failures: readonly { readonly node: string; readonly why: string }[];
}

const mostAtOnce = 8;

/** Asks the agent of each node that pods run on for the flows that its kernel tracks, by the user's own right to `pods/exec`. */
export async function askAgents(config: KubeConfig, objects: readonly JsonObject[]): Promise<Answers> {
  const pods = objects.filter(
    (object) => object['kind'] === 'Pod' && textAt(object, 'status', 'phase') !== 'Succeeded',
  );
  const agents = agentsByNode(pods);
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
          flows.push({ ...parseFlows(await askAgent(config, agent, ['flows']), `node ${node}`), node });
        } catch (error) {
          failures.push({ node, why: error instanceof Error ? error.message : String(error) });
        }
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, askNext));
  return { agents: agents.size, flows, failures };
}
