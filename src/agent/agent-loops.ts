import { exec } from '../apply/exec.ts';
import { createFlushConnections } from '../apply/flush-connections.ts';
import { findOurTables } from '../apply/find-our-tables.ts';
import { startNftMonitor } from '../apply/nft-monitor.ts';
import { findTrim } from '../apply/trim-memory.ts';
import type { AgentContext } from './agent-context.ts';
import type { AgentInputs } from './agent-inputs.ts';
import type { AgentReports, Applied } from './agent-reports.ts';
import type { Issue } from '../model/issue.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { PlanSource } from './plan-source.ts';
import { systemClock } from './clock.ts';
import { PodWaits } from './cni/pod-waits.ts';
import { ConnectionFlusher } from './connection-flusher.ts';
import { DriftWatch, driftReport, watchDrift } from './drift-watch.ts';
import { watchEnvironment } from './environment-watch.ts';
import { nextTurn } from './event-burst.ts';
import { KernelSampler, sampleEveryMs, samplerReport } from './kernel-sampler.ts';
import { nftKernelParts, nftKernelTables } from './kernel-tables.ts';
import { LinkWatch } from './link-watch.ts';
import { watchLiveness } from './liveness-watch.ts';
import { holdNodeLock, nodeLockObserver } from './node-lock.ts';
import { lookEveryMs, type PodNetworks } from './pod-networks/pod-networks.ts';
import { openPodNetworks } from './pod-networks/open-pod-networks.ts';
import { prefetchTables } from './prefetched-tables.ts';
import { readTables } from './read-tables.ts';
import { Reconciler } from './reconciler.ts';
import { repeat } from './repeat.ts';
import type { Deviations } from './denials/describe-denial.ts';
import { HeldPolicies } from './status/held-policies.ts';

/** What repeats until the agent stops: changes of the kernel, and checks of the kernel, the node and the agent itself. */
export interface AgentLoops {
  readonly reconciler: Reconciler;
  /** Whether the agent knows that the kernel holds what was last written. */
  readonly isCertain: () => boolean;
  /** Looks whether the kernel still has the rules that every packet meets. */
  readonly verify: () => Promise<void>;
  /** By table, whole seconds since the agent began to compare all of it with what it should hold. `pods`: of the tables inside of pods, the longest time. */
  readonly comparedSecondsAgo: () => Readonly<Record<string, number>>;
  /** Missing if the operator does not want it. */
  readonly podNetworks: PodNetworks | undefined;
  /** Checks at once what could keep the node from enforcing, if addresses of local pods have changed. */
  readonly checkEnvironment: () => void;
  /** Reports the pods for which the node cannot enforce policies now. Resolves with those that may just be starting, which are not reported yet. Never rejects. */
  readonly reportUnenforceable: () => Promise<ReadonlyMap<PodKey, readonly Issue[]>>;
  readonly applied: () => Applied | undefined;
  readonly podWaits: PodWaits;
  readonly held: HeldPolicies;
  /** The tables as an earlier agent left them. Shares the read that the reconciler needs, if it has begun: a read of large tables takes seconds. */
  readonly readEarlier: () => Promise<Ruleset | undefined>;
  /** Waits for the node lock, and lets the agent write from then on. Resolves with the function that releases the lock. */
  readonly takeLock: () => Promise<() => void>;
}

/** Milliseconds between two returns of freed memory, each of which takes about 1 ms. What the first lists leave is the most. */
const trimEveryMs = 5000;

/** Starts the loops. Until the agent has the lock, they only watch. */
export function startLoops(context: AgentContext, inputs: AgentInputs, reports: AgentReports): AgentLoops {
  const { version, guard, nft, elements, reader, generations, metrics, live, ready, logger, signal } = context;
  const { pipeline, source, state, unsaved, versions, clusterPolicies, take } = inputs;
  const { reporter, nodeReporter, policies, owners, watchDenials } = reports;
  const podNetworks = openPodNetworks(context, reporter, () => reconciler.changed());
  const drift = new DriftWatch({
    startMonitor: startNftMonitor,
    clock: systemClock,
    events: driftReport(metrics.apply, logger),
  });
  const kernel = prefetchTables(
    unsaved.behind(
      drift.behind(
        nftKernelTables(nft, {
          writer: elements,
          reader,
          ...(generations && { generations }),
          wrote: (by) => metrics.apply.wrote(by),
        }),
      ),
    ),
    systemClock,
    () => drift.isCurrent,
  );
  const now = (): number => performance.now();
  const environment = watchEnvironment({
    localPods: () => (pipeline.snapshot.inSync ? outsideOf(podNetworks, pipeline.snapshot.localPods) : undefined),
    ready,
    logger,
    signal,
    ...(guard.guard && { links: new LinkWatch({ exec, now, tell: (links) => take({ op: 'links', links }) }) }),
    unenforceable: (pods) =>
      reporter.unenforceable(new Map([...pods, ...(podNetworks?.issues(pipeline.snapshot.localPods.values()) ?? [])])),
  });
  const connections = new ConnectionFlusher({
    flush: createFlushConnections(),
    clock: systemClock,
    tell: take,
    flushed: (flush) => reporter.flushed(flush, source.snapshot.localPods),
    signal,
  });
  let applied: Applied | undefined;
  const isSettled = (): boolean => podNetworks?.isSettled !== false;
  const held = new HeldPolicies({
    clusterPolicies,
    snapshot: () => source.snapshot,
    versionOf: (id) => versions.ofPolicy(id),
    isSettled,
  });
  const podWaits = new PodWaits(
    () => source.snapshot,
    () => reconciler.changed(),
  );
  const sampler = new KernelSampler({
    parts: nftKernelParts(nft, reader),
    clock: systemClock,
    signal,
    events: samplerReport(metrics.apply, logger),
  });
  metrics.apply.comparedTables(() => sampler.secondsAgo);
  let settled: Applied | undefined;
  let deviations: Deviations = { leftOut: new Map(), limitedNames: new Map() };
  const reconciler = new Reconciler({
    pipeline: followedBy(source, (plan) => {
      podNetworks?.take(plan.compiled, source.snapshot);
      if (!source.isRestored(plan)) unsaved.planned(plan.compiled.revision);
    }),
    kernel,
    clock: systemClock,
    signal,
    connections,
    version() {
      const received = versions.version;
      podWaits.planned();
      const { revision } = source.snapshot;
      held.planned([source.current, revision, received.networkpolicies, received.clusternetworkpolicies].join(' '));
      owners.remember(pipeline.snapshot);
      policies.planned(`${revision} ${received.networkpolicies}`);
      return received;
    },
    events: {
      ...reporter.reconciler,
      drifted(family) {
        sampler.drifted(family);
        reporter.reconciler.drifted(family);
      },
      applied(run) {
        podWaits.applied();
        const isRestored = source.isRestored(run.plan);
        const refusedPolicies = reconciler.refusedPolicies.size;
        reporter.applied(run, { snapshot: () => source.snapshot, issues: pipeline.issues, refusedPolicies });
        nodeReporter.applied(source.snapshot, pipeline, isRestored);
        policies.applied(reconciler.refusedPolicies);
        const { revision, oversized, limitedNames } = run.plan.compiled;
        const leftOut = new Map([
          ...oversized.keys().map((id) => [id, 'too-large'] as const),
          ...reconciler.refusedPolicies.values().map((id) => [id, 'refused-by-kernel'] as const),
        ]);
        deviations = { leftOut, limitedNames };
        // Most events of a cluster change nothing on this node.
        const isChange = isRestored || revision !== applied?.revision;
        if (isChange) environment.check();
        if (isRestored) return;
        held.applied({ refused: reconciler.refusedPolicies, oversized: oversized.keys() });
        if (isChange) state.changed();
        applied = { revision, resources: run.version, unflushed: connections.unflushed };
      },
    },
  });
  watchDrift(drift, reconciler, logger, signal);
  const unsampled = (err: unknown): void => logger.error({ err }, "could not check Postern's tables");
  repeat(sampleEveryMs, () => reconciler.compare(sampler.look), { signal, failed: unsampled });
  watchLiveness(reconciler, live, signal);
  if (podNetworks) {
    const failed = (err: unknown): void => logger.error({ err }, 'could not check the network namespaces of pods');
    repeat(lookEveryMs, () => podNetworks.look(), { signal, failed });
  }
  void findTrim().then((trim) => {
    if (signal.aborted) return;
    const timer = setInterval(trim, trimEveryMs);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  });
  return {
    reconciler,
    isCertain: () => reconciler.isCertain && !drift.isForeign,
    verify: () => reconciler.verify(),
    comparedSecondsAgo() {
      const inside = podNetworks?.comparedSecondsAgo;
      return { ...sampler.secondsAgo, ...(inside !== undefined && { pods: inside }) };
    },
    podNetworks,
    checkEnvironment: environment.check,
    reportUnenforceable: environment.ask,
    podWaits,
    held,
    async readEarlier() {
      await drift.firstStart;
      // With the lock, the agent begins to read now (`takeLock`).
      await nextTurn();
      return kernel.early ?? readTables(nft, reader, signal);
    },
    applied() {
      if (isSettled()) settled = applied;
      return settled;
    },
    async takeLock() {
      const release = await holdNodeLock({ version, pid: process.pid }, nodeLockObserver(ready, logger), signal);
      ready.report('lock', undefined);
      // A read that begins before nft monitor listens would have to be repeated.
      void drift.firstStart.then(() => kernel.begin(signal));
      // If nft cannot list the tables, the kernel may hold rules, which may be newer than the saved state.
      const unknown = { tableFound: true, isUnsaved: true };
      source.open((await findOurTables(exec, signal).catch(() => undefined)) ?? unknown);
      const inside = async (asked: AbortSignal, hasAudits: boolean) =>
        (await podNetworks?.lookForDenials(asked, hasAudits)) ?? [];
      watchDenials(inside, () => deviations);
      return release;
    },
  };
}

/** @param follow called with each plan before the kernel gets it */
function followedBy(
  source: PlanSource,
  follow: (plan: ReturnType<PlanSource['plan']>) => void,
): Pick<PlanSource, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'> {
  return {
    get snapshot() {
      return source.snapshot;
    },
    get inSync() {
      return source.inSync;
    },
    prepare: () => source.prepare(),
    plan(...args) {
      const plan = source.plan(...args);
      follow(plan);
      return plan;
    },
    probe: (...args) => source.probe(...args),
  };
}

/** The pods whose packets must cross the node. */
function outsideOf(
  podNetworks: PodNetworks | undefined,
  localPods: ReadonlyMap<PodKey, LocalPod>,
): ReadonlyMap<PodKey, LocalPod> {
  return podNetworks ? new Map([...localPods].filter(([, pod]) => !podNetworks.covers(pod))) : localPods;
}
