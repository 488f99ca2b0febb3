import { exec } from '../apply/exec.ts';
import { createFlushConnections } from '../apply/flush-connections.ts';
import { openNftSession } from '../apply/nft-session.ts';
import { startNftMonitor } from '../apply/nft-monitor.ts';
import { createNft } from '../apply/nft.ts';
import { findOurTables } from '../apply/our-tables.ts';
import { budgetsOf } from '../compile/budgets.ts';
import { Compiler } from '../compile/compile.ts';
import { readVersion } from '../config/version.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { fillBudgetsOf } from '../indexer/admission.ts';
import { canonicalCidrs } from '../model/address.ts';
import type { ResourceEvent } from '../model/cluster.ts';
import { routedTable } from '../nftables/ruleset.ts';
import { Pipeline } from '../pipeline.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics/all.ts';
import { createApiClient, loadKubeConfig } from '../watch/api-client.ts';
import { getPod } from '../watch/get-pod.ts';
import { watchedResources } from '../watch/resources.ts';
import { defaultTiming, ResourceWatch } from '../watch/watch.ts';
import { chooseGuard } from './choose-anti-spoof.ts';
import { createEventRecorder } from './event-recorder.ts';
import { ObjectVersions } from './object-versions.ts';
import { ClassCounter, watchClasses } from './class-counter.ts';
import { systemClock } from './clock.ts';
import { watchDenials } from './denials/watch-denials.ts';
import { nftKernelTables } from './kernel-tables.ts';
import { DriftWatch, driftReport, watchDrift } from './drift-watch.ts';
import { prefetchTables } from './prefetched-tables.ts';
import { environmentChecks, watchEnvironment } from './environment-watch.ts';
import { serveWhenFree } from './http-server.ts';
import { createEventDispatcher } from './event-dispatcher.ts';
import { LinkWatch } from './link-watch.ts';
import { createLookBack } from './look-back.ts';
import { livenessChecks, watchLiveness } from './liveness-watch.ts';
import { holdNodeLock, nodeLockObserver } from './node-lock.ts';
import { NodeReporter } from './node-report.ts';
import { describeNode } from './node-state.ts';
import { OldTables } from './old-tables.ts';
import { PlanSource } from './plan-source.ts';
import { PodFetcher } from './pod-fetcher.ts';
import { PolicyReporter } from './policy-report.ts';
import { ConnectionFlusher } from './connection-flusher.ts';
import { Reconciler, type AppliedVersion } from './reconciler.ts';
import { Reporter } from './report.ts';
import { reportSandboxes } from './sandbox-watch.ts';
import { openStateKeeper } from './state-keeper.ts';

/** An agent that is told to end has ten seconds (the chart's grace period). */
const portPatienceMs = 20_000;
/** For one pod: who asks gives up before. */
const fetchSilenceMs = 5000;

/**
 * Watches the cluster and keeps this node's kernel at what its policies say, until the signal aborts. The rules stay (S7.13).
 * Resolves with the exit code.
 */
export async function runAgent(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stopSignal, failure.signal]);
  const { nodeName: node, startGate, podCidrs } = config;
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node, version });
  const metrics = createMetrics(version);
  const live = new Checks(livenessChecks);
  const ready = new Checks([
    'lock',
    'lists',
    'node',
    'rules',
    'sandboxes',
    'gate',
    'guard',
    'connections',
    ...environmentChecks,
  ]);
  // Ready until a flush fails.
  ready.report('connections', undefined);
  metrics.readiness.checks(() => ready.results());
  const client = createApiClient(await loadKubeConfig(config.kubeconfig));
  const { guard, unguarded } = await chooseGuard(config.guard, exec, signal);
  const countsClasses = config.metricsClasses;
  const allowed = { tunnels: config.allowPodTunnels, routers: config.allowPodRouters };
  const rules = { guard, allowed, countsClasses, budgets: budgetsOf(config.namespaceBudget) };
  const pipeline = new Pipeline(node, {
    ...rules,
    gate: startGate,
    fillBudgets: fillBudgetsOf(config.namespaceBudget),
    ...(podCidrs && { podCidrs }),
  });
  const versions = new ObjectVersions();
  const nft = openNftSession(createNft(), {
    paused(pauseMs) {
      // An agent that stops runs no more commands.
      if (signal.aborted) return;
      const told = 'the nft session failed: until it recovers, the agent runs nft once per command';
      logger.warn({ retryAfterSeconds: pauseMs / 1000 }, told);
    },
  });
  const drift = new DriftWatch({
    startMonitor: startNftMonitor,
    clock: systemClock,
    events: driftReport(metrics.apply, logger),
  });
  const kernel = prefetchTables(drift.behind(nftKernelTables(nft)), systemClock);
  let applied: { revision: number; resources: AppliedVersion } | undefined;

  const recorder = createEventRecorder(node, versions, { client, metrics, logger, signal });
  const reporter = new Reporter({
    node,
    logger,
    metrics,
    ready,
    announce: (resource, key, issue) => recorder.announce(resource, key, issue),
  });
  const nodeReporter = new NodeReporter({ startGate, guard, unguarded, ready, metrics: metrics.node, logger });

  const state = openStateKeeper({
    directory: config.stateDir,
    node,
    snapshot: () => pipeline.snapshot,
    clock: systemClock,
    metrics: metrics.node,
    logger,
  });
  const source = new PlanSource({
    pipeline,
    createCompiler: () => new Compiler(rules),
    readSaved: () => state.read(),
    gatedRanges: (saved) => (startGate ? canonicalCidrs(podCidrs ?? saved.gatedRanges) : []),
    clock: systemClock,
    changed: () => reconciler.changed(),
  });
  const fetcher = new PodFetcher({
    get: (pod, asked) => getPod(client, pod, { signal: asked, silenceMs: fetchSilenceMs }),
    tell: (fact) => take(fact),
    finished: (result, sandbox, error) => nodeReporter.fetched(result, sandbox, error),
    clock: systemClock,
    signal,
  });
  const take = createEventDispatcher({ pipeline, source, fetcher });
  nodeReporter.count(pipeline, source);
  const policies = new PolicyReporter({
    limit: config.metricsPolicyLimit,
    metrics: metrics.policies,
    snapshot: () => source.snapshot,
    versionOf: (id) => versions.find('networkpolicies', id),
  });
  const classes = new ClassCounter((family, asked) => nft.listTerse(routedTable[family], asked), metrics.classes);

  const now = (): number => performance.now();
  const checkEnvironment = watchEnvironment({
    localPods: () => (pipeline.snapshot.inSync ? pipeline.snapshot.localPods : undefined),
    ready,
    logger,
    signal,
    ...(guard && { links: new LinkWatch({ exec, now, tell: (links) => take({ op: 'links', links }) }) }),
    unenforceable: (pods) => reporter.unenforceable(pods),
  });
  const oldTables = new OldTables(nft, logger, signal);
  const connections = new ConnectionFlusher({
    flush: createFlushConnections(),
    clock: systemClock,
    flushed: (addresses, error) => reporter.flushed(addresses, error),
    signal,
  });
  const reconciler = new Reconciler({
    pipeline: source,
    kernel,
    clock: systemClock,
    signal,
    connections,
    version() {
      policies.planned();
      return versions.version;
    },
    events: {
      ...reporter.reconciler,
      applied(run) {
        const isRestored = source.isRestored(run.plan);
        const refusedPolicies = reconciler.refusedPolicies.size;
        reporter.applied(run, { snapshot: () => source.snapshot, issues: pipeline.issues, refusedPolicies });
        nodeReporter.applied(source.snapshot, pipeline, isRestored);
        policies.applied(reconciler.refusedPolicies);
        classes.applied(run.plan.compiled.countedClasses);
        checkEnvironment();
        void oldTables.remove();
        if (isRestored) return;
        const { revision } = run.plan.compiled;
        if (revision !== applied?.revision) state.changed();
        applied = { revision, resources: run.version };
      },
    },
  });
  watchDrift(drift, reconciler, logger, signal);
  watchLiveness(reconciler, live, signal);

  const unlisted = new Set(watchedResources.map(({ resource }) => resource));
  reporter.reportLists(unlisted);
  const receive = (event: ResourceEvent): void => {
    versions.receive(event);
    reporter.received(event);
    take(event);
    if (event.op === 'synced') {
      unlisted.delete(event.resource);
      checkEnvironment();
      reporter.reportLists(unlisted);
    }
    if (event.resource === 'nodes') {
      const unknown = `the cluster has no Node named ${node}: --node-name must be this node's`;
      ready.report('node', pipeline.knowsNode ? undefined : unknown);
    }
  };
  /** Until it has the lock, an agent only watches. */
  const takeLock = async (): Promise<() => void> => {
    const release = await holdNodeLock({ version, pid: process.pid }, nodeLockObserver(ready, logger), signal);
    ready.report('lock', undefined);
    kernel.begin(signal);
    const tables = await findOurTables(exec, signal).catch(() => undefined);
    oldTables.found(tables?.old ?? []);
    // Where it cannot be told, rules are in the kernel that are worth more than what was kept.
    source.open(tables?.isAny ?? true);
    if (countsClasses) watchClasses(classes, logger, signal);
    const { logDenials: log, denialEvents: events } = config;
    const told = { policies, recorder, metrics: metrics.denials, logger };
    watchDenials({ node, log, events, nft, client, pipeline, versions, ...told, signal });
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
      node: () => {
        const { issues } = reporter;
        return describeNode({ node, version, applied: applied?.resources, startGate, live, ready, pipeline, issues });
      },
    },
    portPatienceMs,
    logger,
    signal,
  );
  const locking = takeLock();
  const lookBack = createLookBack({
    findTables: () => findOurTables(exec, signal),
    observe: () => nftKernelTables(nft).observe(signal),
    readSaved: () => state.read(),
  });
  const watching = [
    reportSandboxes(config.cniCacheDir, {
      ready,
      metrics: metrics.node,
      logger,
      signal,
      tell: take,
      listed: () => source.listedSandboxes(),
    }),
    ...watchedResources.map((watched) => {
      const countBefore = (): Promise<number> => lookBack(watched.resource);
      return new ResourceWatch(watched, client, receive, reporter.watches, defaultTiming, countBefore).run(signal);
    }),
  ];
  try {
    await Promise.all([serving, locking, ...watching]);
  } catch (error) {
    if (!stopSignal.aborted) throw error;
  } finally {
    failure.abort();
    await reconciler.idle();
    nft.close();
    await state.finish();
    await Promise.allSettled([serving.then((server) => server.close()), locking.then((release) => release())]);
  }
  logger.info('stopped; the rules stay');
  return 0;
}
