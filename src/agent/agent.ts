import { createNft } from '../apply/nft.ts';
import { readVersion } from '../config/version.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ResourceEvent } from '../model/cluster.ts';
import { Pipeline } from '../pipeline.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics/all.ts';
import { startHttpServer } from '../telemetry/server.ts';
import { createApiClient, loadKubeConfig } from '../watch/api-client.ts';
import { watchedResources } from '../watch/resources.ts';
import { ResourceWatch } from '../watch/watch.ts';
import { Census } from './census.ts';
import { systemClock } from './clock.ts';
import { nftDoor } from './door.ts';
import { watchDrift } from './drift-watch.ts';
import { environmentChecks, watchEnvironment } from './environment-watch.ts';
import { Reconciler, type AppliedVersion } from './reconciler.ts';
import { Reporter } from './report.ts';

/**
 * Watches the cluster and keeps this node's kernel at what its policies say, until the signal aborts. The rules stay (S7.13).
 * Resolves with the exit code.
 */
export async function runAgent(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stopSignal, failure.signal]);
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node: config.nodeName, version });
  const metrics = createMetrics(version);
  const ready = new Checks(['lists', 'node', 'rules', ...environmentChecks]);
  const reporter = new Reporter(logger, metrics, ready);
  const pipeline = new Pipeline(config.nodeName);
  const census = new Census();
  const client = createApiClient(await loadKubeConfig(config.kubeconfig));
  let applied: { revision: number; resources: AppliedVersion } | undefined;

  const server = await startHttpServer({
    listen: config.listen,
    registry: metrics.registry,
    live: new Checks([]),
    ready,
    applied: () => ({ node: config.nodeName, revision: applied?.revision, resources: applied?.resources }),
  });
  logger.info({ address: server.address }, 'started');

  const localAddresses = (): string[] => [...pipeline.snapshot.localPods.values()].flatMap((pod) => pod.addresses);
  const checkEnvironment = watchEnvironment(localAddresses, ready, logger, signal);
  const reconciler = new Reconciler({
    pipeline,
    door: nftDoor(createNft()),
    clock: systemClock,
    signal,
    version: () => census.version,
    events: {
      ...reporter.reconciler,
      applied(run) {
        applied = { revision: run.plan.compiled.revision, resources: run.version };
        reporter.applied(run, pipeline, reconciler.refusedPolicies.size);
        checkEnvironment();
      },
    },
  });

  watchDrift(reconciler, logger, signal);

  const unlisted = new Set(watchedResources.map(({ resource }) => resource));
  const receive = (event: ResourceEvent): void => {
    reporter.received(event);
    census.receive(event);
    pipeline.receive(event);
    if (event.op === 'synced') {
      unlisted.delete(event.resource);
      ready.report(
        'lists',
        unlisted.size > 0 ? `waiting for the first list of ${[...unlisted].join(', ')}` : undefined,
      );
    }
    if (event.resource === 'nodes') {
      const unknown = `the cluster has no Node named ${config.nodeName}: --node-name must be this node's`;
      ready.report('node', pipeline.knowsNode ? undefined : unknown);
    }
    reconciler.changed();
  };
  try {
    await Promise.all(
      watchedResources.map((resource) => new ResourceWatch(resource, client, receive, reporter.watches).run(signal)),
    );
  } finally {
    failure.abort();
    await reconciler.idle();
    await server.close();
  }
  logger.info('stopped; the rules stay');
  return 0;
}
