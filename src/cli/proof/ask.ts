import type { KubeConfig } from '@kubernetes/client-node';
import type { Known } from '../../doctor/facts.ts';
import type { NodeAnswers } from '../../doctor/proof/judge.ts';
import { readNodePolicies } from '../../doctor/proof/read-policies.ts';
import { wantedPolicies, type WantedPolicy } from '../../doctor/proof/wanted.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { NodePolicies } from '../../model/node-policies.ts';
import type { PolicyId } from '../../model/policy.ts';
import { askNodes, unexpected, type Question } from '../connect/agents.ts';
import { requireAgents } from '../connect/find-agents.ts';
import { readClusterOf } from '../explain/cluster-source.ts';

/** What the API server has at one moment. */
export interface Listed {
  readonly objects: readonly JsonObject[];
  readonly policies: ReadonlyMap<PolicyId, WantedPolicy>;
}

/** The cluster, as the commands ask it. */
export interface ProofSource {
  /** One list for each resource. Rejects with a ConfigError. */
  readonly list: () => Promise<Listed>;
  /** One question to the agent of each of these nodes, all within these milliseconds. Rejects with a ConfigError if there is no agent. */
  readonly ask: (listed: Listed, nodes: readonly string[], allMs: number) => Promise<NodeAnswers>;
}

export function openSource(config: KubeConfig, agentNamespace: string | undefined): ProofSource {
  return {
    async list() {
      const { objects, cluster } = await readClusterOf(config);
      return { objects, policies: wantedPolicies(objects, cluster) };
    },
    ask: ({ objects }, nodes, allMs) => askHeld(config, objects, { nodes, allMs, agentNamespace }),
  };
}

/** Asks the agents of these nodes which policies their kernels hold. Rejects with a ConfigError if there is no agent. */
export async function askHeld(
  config: KubeConfig,
  objects: readonly JsonObject[],
  question: Pick<Question<NodePolicies>, 'nodes' | 'allMs' | 'agentNamespace'>,
): Promise<NodeAnswers> {
  const asked = await askNodes(config, objects, { ...question, words: ['policies'], read });
  requireAgents(asked.found);
  return new Map<string, Known<NodePolicies>>([
    ...asked.answers.map(({ node, answer }) => [node, { value: answer }] as const),
    ...asked.failures.map(({ node, why }) => [node, { unknown: describeFailure(why) }] as const),
  ]);
}

/** An answer about another node comes from an agent with a wrong --node-name, which enforces the policies of that node. */
function read(answer: unknown, node: string): NodePolicies {
  const page = readNodePolicies(answer);
  if (!page) throw new Error(unexpected);
  if (page.node !== node) throw new Error(`its agent says that it is the agent of node ${page.node}`);
  return page;
}

/** An agent of an older version does not know the question. */
function describeFailure(why: string): string {
  const isOlder = /unknown command|no such page/.test(why);
  return isOlder ? 'its agent is of an older version, which cannot say what its kernel holds' : why;
}
