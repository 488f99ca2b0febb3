import type { KubeConfig } from '@kubernetes/client-node';
import type { NodeFlows } from '../../impact/seen-flow.ts';
import type { JsonObject } from '../../lib/json.ts';
import { askNodes, type NodeFailure } from '../connect/agents.ts';
import type { FoundAgents } from '../connect/find-agents.ts';
import { readFlows } from './read-flows.ts';

export interface Answers {
  readonly found: FoundAgents;
  readonly flows: readonly NodeFlows[];
  /** Nodes with pods that did not answer. */
  readonly failures: readonly NodeFailure[];
}

/** Asks the agent of each node that pods run on for the flows that its kernel tracks. */
export async function askAgents(
  config: KubeConfig,
  objects: readonly JsonObject[],
  agentNamespace: string | undefined,
): Promise<Answers> {
  const read = (answer: unknown, node: string): NodeFlows => ({ ...readFlows(answer, `node ${node}`), node });
  const { found, answers, failures } = await askNodes(config, objects, { words: ['flows'], read, agentNamespace });
  return { found, flows: answers.map(({ answer }) => answer), failures };
}
