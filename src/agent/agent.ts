import { setTimeout as delay } from 'node:timers/promises';
import { createNft } from '../apply/nft.ts';
import { readVersion } from '../config/version.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ResourceEvent } from '../model/cluster.ts';
import { Pipeline } from '../pipeline.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics/all.ts';
import { createApiClient, loadKubeConfig } from '../watch/api-client.ts';
import { watchedResources } from '../watch/resources.ts';
import { ResourceWatch } from '../watch/watch.ts';
import { Announcer } from './announcer.ts';
import { Census } from './census.ts';
import { systemClock } from './clock.ts';
import { nftDoor } from './door.ts';
import { watchDrift } from './drift-watch.ts';
import { environmentChecks, watchEnvironment } from './environment-watch.ts';
import { EventWriter } from './event-writer.ts';
import { serveWhenFree } from './http-server.ts';
import { livenessChecks, watchLiveness } from './liveness-watch.ts';
import { holdNodeLock, nodeLockObserver } from './node-lock.ts';
import { Reconciler, type AppliedVersion } from './reconciler.ts';
import { Reporter } from './report.ts';

/** An agent that is told to end has ten seconds (the chart's grace period). */
const portPatienceMs = 20_000;

/**
 * Watches the cluster and keeps this node's kernel at what its policies say, until the signal aborts. The rules stay (S7.13).
 * Resolves with the exit code.
 */
export async function runAgent(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stopSignal, failure.signal]);
  const node = config.nodeName;
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node, version });
  const metrics = createMetrics(version);
  const live = new Checks(livenessChecks);
  const ready = new Checks(['lock', 'lists', 'node', 'rules', ...environmentChecks]);
  const client = createApiClient(await loadKubeConfig(config.kubeconfig));
  const pipeline = new Pipeline(node);
  const census = new Census();
  let applied: { revision: number; resources: AppliedVersion } | undefined;

  const writer = new EventWriter({
    client,
    signal,
    random: Math.random,
    // Some hundred nodes a second are no burden to an API server.
    spreadMs: () => census.count('nodes') * 5,
    sleep: (ms) => delay(ms, undefined, { signal }).catch(() => undefined),
    observer: {
      finished(result, { name }, error) {
        metrics.objectEvents.finished(result);
        if (result === 'dropped') logger.warn({ event: name, err: error }, 'could not write an Event');
      },
      delayed({ name }, error) {
        logger.warn({ event: name, err: error }, 'could not write an Event yet; trying again, later and later');
      },
    },
  });
  const announcer = new Announcer(node, census, writer, Date.now);
  const reporter = new Reporter({
    node,
    logger,
    metrics,
    ready,
    announce: (resource, key, issue) => announcer.announce(resource, key, issue),
  });

  const checkEnvironment = watchEnvironment({
    localPods: () => (pipeline.snapshot.inSync ? pipeline.snapshot.localPods : undefined),
    ready,
    logger,
    signal,
    unenforceable: (pods) => reporter.unenforceable(pods),
  });
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
  watchLiveness(reconciler, live, signal);

  const unlisted = new Set(watchedResources.map(({ resource }) => resource));
  const reportLists = (): void => {
    const missing = [...unlisted].join(', ');
    ready.report('lists', missing === '' ? undefined : `waiting for the first list of ${missing}`);
  };
  reportLists();
  /** Until it has the lock, an agent only watches. */
  let mayWrite = false;
  const receive = (event: ResourceEvent): void => {
    census.receive(event);
    reporter.received(event);
    pipeline.receive(event);
    if (event.op === 'synced') {
      unlisted.delete(event.resource);
      checkEnvironment();
      reportLists();
    }
    if (event.resource === 'nodes') {
      const unknown = `the cluster has no Node named ${node}: --node-name must be this node's`;
      ready.report('node', pipeline.knowsNode ? undefined : unknown);
    }
    if (mayWrite) reconciler.changed();
  };
  const takeLock = async (): Promise<() => void> => {
    const release = await holdNodeLock({ version, pid: process.pid }, nodeLockObserver(ready, logger), signal);
    ready.report('lock', undefined);
    mayWrite = true;
    reconciler.changed();
    return release;
  };

  logger.info('started');
  const serving = serveWhenFree(
    {
      listen: config.listen,
      registry: metrics.registry,
      live,
      ready,
      applied: () => ({ node, revision: applied?.revision, resources: applied?.resources }),
    },
    portPatienceMs,
    logger,
    signal,
  );
  const locking = takeLock();
  const watching = watchedResources.map((resource) =>
    new ResourceWatch(resource, client, receive, reporter.watches).run(signal),
  );
  try {
    await Promise.all([serving, locking, ...watching]);
  } catch (error) {
    if (!stopSignal.aborted) throw error;
  } finally {
    failure.abort();
    await reconciler.idle();
    await Promise.allSettled([serving.then((server) => server.close()), locking.then((release) => release())]);
  }
  logger.info('stopped; the rules stay');
  return 0;
}
