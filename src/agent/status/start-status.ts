import { setTimeout as delay } from 'node:timers/promises';
import type { AgentContext } from '../agent-context.ts';
import type { AgentInputs } from '../agent-inputs.ts';
import type { AgentReports } from '../agent-reports.ts';
import { nextTurn } from '../event-burst.ts';
import type { HeldPolicies } from './held-policies.ts';
import { HeldWriter } from './held-writer.ts';
import { keepLooking } from './keep-looking.ts';
import { LeaseClient } from './lease-client.ts';
import type { StatusObserver } from './status-observer.ts';
import { StatusWriter } from './status-writer.ts';

/** Begins to report what this node holds, and to write statuses while this agent is the elected one. Nothing else waits for either. */
export function startStatus(
  { config, client, metrics, logger, signal }: AgentContext,
  { pipeline, versions, clusterPolicies: policies }: Pick<AgentInputs, 'pipeline' | 'versions' | 'clusterPolicies'>,
  { reporter }: Pick<AgentReports, 'reporter'>,
  held: HeldPolicies,
): void {
  const { nodeName: node, statusNamespace } = config;
  if (statusNamespace === undefined) return;
  const observer: StatusObserver = {
    wrote: (object, result) => metrics.status.wrote(object, result),
    refused: (policy, err) =>
      logger.warn({ policy, err }, 'the API server refuses the status of a ClusterNetworkPolicy'),
    elected(isElected) {
      metrics.status.elected(isElected);
      const message = isElected
        ? 'elected: this agent writes the status of ClusterNetworkPolicies'
        : 'this agent no longer writes the status of ClusterNetworkPolicies';
      logger.info(message);
    },
  };
  const leases = new LeaseClient(client, statusNamespace, signal);
  const sources = { node, leases, observer, now: () => performance.now(), wallTime: Date.now, random: Math.random };
  const heldWriter = new HeldWriter({
    ...sources,
    nodeUid: () => versions.find('nodes', node)?.uid,
    nodes: () => versions.count('nodes'),
    report: () => (policies.all.size > 0 ? held.report : undefined),
  });
  const statusWriter = new StatusWriter({
    ...sources,
    client,
    signal,
    policies,
    nextTurn,
    nodes: () => versions.all('nodes'),
    isReady: () => pipeline.inSync,
    tied: (issues) => reporter.tied(issues),
  });
  const sleep = (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => undefined);
  for (const [object, writer] of [['report', heldWriter] as const, ['status', statusWriter] as const]) {
    void keepLooking(() => writer.look(), {
      signal,
      sleep,
      random: Math.random,
      failed(err) {
        metrics.status.wrote(object, 'failed');
        const message =
          'could not write the status of ClusterNetworkPolicies; their rules stay in force, and the agent tries again';
        logger.warn({ object, err }, message);
      },
      recovered: () => logger.info({ object }, 'the agent can write the status of ClusterNetworkPolicies again'),
    });
  }
}
