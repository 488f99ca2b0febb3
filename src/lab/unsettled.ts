import type { AgentProcess } from './agent-process.ts';
import { objectAt } from './api/object.ts';
import type { ApiObject } from './api/object.ts';
import type { ClusterState } from './cluster-state.ts';
import { plural } from '../lib/plural.ts';
import { LabError } from './error.ts';
import { podKey } from './pod-spec.ts';

export interface Unsettled {
  /** Description for the message. */
  readonly what: string;
  /** The agent that has not applied the state. */
  readonly agent?: AgentProcess;
}

/**
 * Finds a pod that does not run, or an agent that has not applied this state. Ignores agents after `stop`. Rejects with LabError
 * `state` if an agent exited by itself.
 */
export async function findUnsettled(
  { objects, digests }: ClusterState,
  agents: ReadonlyMap<string, AgentProcess>,
): Promise<Unsettled | undefined> {
  const waiting = objects.find((object) => object.kind === 'Pod' && !hasStarted(object));
  if (waiting) {
    const { message } = objectAt(waiting, 'status') ?? {};
    return { what: `pod ${podKey(waiting)} does not run${message ? `: ${String(message)}` : ''}` };
  }
  for (const [node, agent] of agents) {
    if (!agent.isWanted) continue;
    if (!agent.isRunning) throw new LabError('state', `the agent of ${node} has exited:\n${await agent.logTail()}`);
    const applied = await agent.applied();
    if (!applied) return { what: `the agent of ${node} does not answer`, agent };
    for (const [resource, digest] of Object.entries(digests)) {
      const has = applied.resources?.[resource] ?? 'nothing';
      if (has !== digest) return { what: `the agent of ${node} has applied ${resource} ${has}, not ${digest}`, agent };
    }
    const { unflushed = 0 } = applied;
    if (unflushed > 0) {
      const what = `the agent of ${node} denies ${plural(unflushed, 'address', 'addresses')} until it has deleted the connections of earlier pods`;
      return { what, agent };
    }
  }
  return undefined;
}

function hasStarted(pod: ApiObject): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return true;
  return ['Running', 'Succeeded', 'Failed'].includes(String(objectAt(pod, 'status')?.['phase']));
}
