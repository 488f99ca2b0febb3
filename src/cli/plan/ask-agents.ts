import type { KubeConfig } from '@kubernetes/client-node';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import type { JsonObject } from '../../lib/json.ts';
import { askNodes, type NodeFailure } from '../connect/agents.ts';
import { parseFlows } from './read-flows.ts';

export interface Answers {
  /** Number of nodes with an agent. */
  readonly agents: number;
  readonly flows: readonly NodeFlows[];
  /** Nodes with pods that did not answer. */
  readonly failures: readonly NodeFailure[];
}

/** Asks the agent of each node that pods run on for the flows that its kernel tracks. */
export async function askAgents(config: KubeConfig, objects: readonly JsonObject[]): Promise<Answers> {
  const read = (text: string, node: string): NodeFlows => ({ ...parseFlows(text, `node ${node}`), node });
  const { agents, answers, failures } = await askNodes(config, objects, ['flows'], read);
  return { agents, flows: answers.map(({ answer }) => answer), failures };
}
