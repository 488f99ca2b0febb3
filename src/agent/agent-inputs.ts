import { budgetsOf } from '../compile/budgets.ts';
import { fillBudgetsOf, noFillBudgets } from '../indexer/admission.ts';
import type { NodeFact, ResourceEvent } from '../model/cluster.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import { Pipeline } from '../pipeline.ts';
import { getPod } from '../watch/get-pod.ts';
import { OptionalWatch } from '../watch/optional-watch.ts';
import { optionalResources, watchedResources } from '../watch/resources.ts';
import { defaultTiming, ResourceWatch } from '../watch/watch.ts';
import type { SandboxAnnouncer } from '../sandboxes/sandboxes.ts';
import type { AgentContext } from './agent-context.ts';
import { systemClock } from './clock.ts';
import { createEventDispatcher } from './event-dispatcher.ts';
import { createLookBack } from './look-back.ts';
import { ObjectVersions } from './object-versions.ts';
import { PlanSource } from './plan-source.ts';
import { PodFetcher, type PodFetcherOptions } from './pod-fetcher.ts';
import type { Reporter } from './report.ts';
import { reportSandboxes } from './sandbox-watch.ts';
import { ClusterPolicies } from './status/cluster-policies.ts';
import { UnsavedMark } from './unsaved-mark.ts';
import { openStateKeeper, type StateKeeper } from './state-keeper.ts';

/** What the agent reads: the cluster, the node's sandboxes and links, and the saved state. All of it goes into the pipeline. */
export interface AgentInputs {
  readonly pipeline: Pipeline;
  /** The pipeline, or the saved state until the pipeline is in sync. */
  readonly source: PlanSource;
  readonly state: StateKeeper;
  readonly unsaved: UnsavedMark;
  readonly versions: ObjectVersions;
  readonly clusterPolicies: ClusterPolicies;
  /** Takes an event of the cluster or a fact of the node. */
  readonly take: (event: ResourceEvent | NodeFact) => void;
}

interface InputEvents {
  /** Something that may change the plan has arrived. */
  readonly changed: () => void;
  readonly podFetched: PodFetcherOptions['finished'];
}

/** The fetcher gives up earlier and aborts the request. This limit holds for a request that ignores that. */
const fetchSilenceMs = 5000;

/** Makes the parts that read. They read nothing yet. */
export function openInputs(context: AgentContext, { changed, podFetched }: InputEvents): AgentInputs {
  const { config, client, guard, nft, metrics, logger, signal } = context;
  const { nodeName: node, startGate, podCidrs } = config;
  const allowed = { tunnels: config.allowPodTunnels, routers: config.allowPodRouters };
  const rules = { guard: guard.guard, allowed, fastPath: config.fastPath, budgets: budgetsOf(config.namespaceBudget) };
  const pipeline = new Pipeline(node, {
    ...rules,
    gate: startGate,
    fillBudgets: fillBudgetsOf(config.namespaceBudget),
    ...(podCidrs && { podCidrs }),
  });
  const unsaved = new UnsavedMark({
    nft,
    signal,
    failed(err) {
      logger.warn({ err }, 'could not mark the rules in the kernel as newer than the saved state');
    },
  });
  const state = openStateKeeper({
    directory: config.stateDir,
    node,
    snapshot: () => pipeline.snapshot,
    saved: (revision) => void unsaved.saved(revision),
    clock: systemClock,
    metrics: metrics.node,
    logger,
  });
  const source = new PlanSource({
    node,
    pipeline,
    createPipeline: ({ gatedRanges }) =>
      new Pipeline(node, { ...rules, gate: startGate, fillBudgets: noFillBudgets, podCidrs: podCidrs ?? gatedRanges }),
    readSaved: () => state.read(),
    clock: systemClock,
    outdated() {
      const stays = 'the rules in the kernel stay in force until the API server answers';
      logger.warn(`the saved state of this node is older than the rules in the kernel: ${stays}`);
    },
    changed,
  });
  const fetcher = new PodFetcher({
    get: (pod, asked) => getPod(client, pod, { signal: asked, silenceMs: fetchSilenceMs }),
    tell: (fact) => take(fact),
    finished: podFetched,
    clock: systemClock,
    signal,
  });
  const take = createEventDispatcher({ pipeline, source, fetcher });
  const [versions, clusterPolicies] = [new ObjectVersions(), new ClusterPolicies()];
  return { pipeline, source, state, unsaved, versions, clusterPolicies, take };
}

/**
 * Reads the node's sandboxes and the cluster until the signal aborts.
 * @param listed called when the first list of a resource is complete
 * @param readEarlier reads the tables that an earlier agent left
 * @param announcements called if there is a cache of sandboxes to read
 */
export function watchInputs(
  { config, client, ready, metrics, logger, signal }: AgentContext,
  { pipeline, source, state, versions, clusterPolicies, take }: AgentInputs,
  reporter: Pick<Reporter, 'received' | 'reportLists' | 'served' | 'watches'>,
  listed: () => void,
  readEarlier: () => Promise<Ruleset | undefined>,
  announcements: (announcer: SandboxAnnouncer) => void,
): Promise<void>[] {
  const unlisted = new Set([...watchedResources, ...optionalResources].map(({ resource }) => resource));
  reporter.reportLists(unlisted);
  const receive = (event: ResourceEvent): void => {
    versions.receive(event);
    clusterPolicies.receive(event);
    reporter.received(event);
    take(event);
    if (event.op === 'synced') {
      unlisted.delete(event.resource);
      listed();
      reporter.reportLists(unlisted);
    }
    if (event.resource === 'nodes') {
      const unknown = `the cluster has no Node named ${config.nodeName}: --node-name must be this node's`;
      ready.report('node', pipeline.knowsNode ? undefined : unknown);
    }
  };
  const lookBack = createLookBack({
    observe: readEarlier,
    readSaved: () => state.read(),
  });
  const sandboxes = reportSandboxes(config.cniCacheDir, {
    ready,
    metrics: metrics.node,
    logger,
    signal,
    tell: take,
    interfaces: config.podNetworks ? 'all' : 'eth0',
    listed: () => source.listedSandboxes(),
    announcements,
  });
  const watches = watchedResources.map((watched) => {
    const countBefore = (): Promise<number> => lookBack(watched.resource);
    return new ResourceWatch(watched, client, receive, reporter.watches, defaultTiming, countBefore).run(signal);
  });
  const optional = optionalResources.map((each) => {
    const served = (path: string | undefined): void => {
      reporter.served(each.resource, path);
      if (each.resource === 'clusternetworkpolicies') clusterPolicies.served(path);
    };
    const countBefore = (): Promise<number> => lookBack(each.resource);
    return new OptionalWatch(each, client, receive, reporter.watches, served, defaultTiming, countBefore).run(signal);
  });
  return [sandboxes, ...watches, ...optional];
}
