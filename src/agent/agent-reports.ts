import type { HttpServer } from '../telemetry/server.ts';
import type { AgentContext } from './agent-context.ts';
import type { AgentInputs } from './agent-inputs.ts';
import type { Issue } from '../model/issue.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { DenialLook } from './denials/denial-reader.ts';
import type { Deviations } from './denials/describe-denial.ts';
import { RecentOwners } from './denials/recent-owners.ts';
import { watchDenials } from './denials/watch-denials.ts';
import { openAuditKeeper } from './audits/audit-keeper.ts';
import { AuditTally } from './audits/audit-tally.ts';
import { createEventRecorder } from './event-recorder.ts';
import { serveWhenFree } from './http-server.ts';
import { NodeReporter } from './node-report.ts';
import { openFlowKeeper } from './flows/open-flow-keeper.ts';
import { describePolicies } from './node-policies.ts';
import { describeNode } from './node-state.ts';
import { PolicyReporter } from './policy-report.ts';
import type { AppliedVersion } from './reconciler.ts';
import { Reporter } from './report.ts';
import type { HeldPolicies } from './status/held-policies.ts';

/** What the agent reports by log, metrics, readiness, Events and HTTP. */
export interface AgentReports {
  readonly reporter: Reporter;
  readonly nodeReporter: NodeReporter;
  readonly policies: PolicyReporter;
  readonly owners: RecentOwners;
  /**
   * Reports denied connections from now on: on the node, and those that `inside` finds in network namespaces of pods.
   * @param deviations what the kernel of the node holds otherwise than policies say
   */
  readonly watchDenials: (
    inside: (signal: AbortSignal, hasAudits: boolean) => Promise<readonly DenialLook[]>,
    deviations: () => Deviations,
  ) => void;
  /** Saves what the next agent takes over. Never rejects. */
  readonly finish: () => Promise<void>;
  /** Serves the agent's pages. */
  readonly serve: (loops: Served) => Promise<HttpServer>;
}

/** What the pages show of the loops. */
interface Served {
  readonly applied: () => Applied | undefined;
  readonly held: Pick<HeldPolicies, 'held'>;
  readonly isCertain: () => boolean;
  /** Looks whether the kernel still has the rules that every packet meets. */
  readonly verify: () => Promise<void>;
  /** Reports the pods for which the node cannot enforce policies now. Resolves with those that may just be starting, which are not reported yet. Never rejects. */
  readonly reportUnenforceable: () => Promise<ReadonlyMap<PodKey, readonly Issue[]>>;
  /** By table, whole seconds since the agent began to compare all of it with what it should hold. */
  readonly comparedSecondsAgo: () => Readonly<Record<string, number>>;
}

/** The state of the cluster that the kernel holds. */
export interface Applied {
  readonly revision: number;
  readonly resources: AppliedVersion;
  /** Number of addresses that are denied until the connections of their last pods are deleted (S5.17). */
  readonly unflushed: number;
}

/** An agent that is told to end has ten seconds (the chart's grace period). */
const portPatienceMs = 20_000;

export function openReports(context: AgentContext, inputs: AgentInputs): AgentReports {
  const { pipeline, source, versions } = inputs;
  const { config, version, client, guard, nft, metrics, live, ready, logger, signal } = context;
  const { nodeName: node, startGate } = config;
  const recorder = createEventRecorder(node, versions, { client, metrics, logger, signal });
  const reporter = new Reporter({
    node,
    logger,
    metrics,
    ready,
    announce: (resource, key, issue) => recorder.announce(resource, key, issue),
  });
  const nodeReporter = new NodeReporter({ startGate, ...guard, ready, metrics: metrics.node, logger });
  nodeReporter.count(pipeline, source);
  const policies = new PolicyReporter({
    limit: config.metricsPolicyLimit,
    metrics: metrics.policies,
    snapshot: () => source.snapshot,
    versionOf: (id) => versions.ofPolicy(id),
  });
  const owners = new RecentOwners(
    (address) => pipeline.ownersOf(address),
    () => performance.now(),
  );
  const audits = new AuditTally(Date.now());
  const begun = performance.now();
  const keeper = openAuditKeeper({ node, directory: config.stateDir, tally: audits, now: Date.now, logger, signal });
  let leftOutNow: () => Deviations['leftOut'] = () => new Map();
  const flows = openFlowKeeper(context, inputs);
  return {
    reporter,
    nodeReporter,
    policies,
    owners,
    watchDenials(inside, deviations) {
      leftOutNow = () => deviations().leftOut;
      const { logDenials: log, denialEvents: events } = config;
      const found = flows ? flows.denied.bind(flows) : (): void => {};
      const told = { policies, recorder, found, deviations, metrics: metrics.denials, logger };
      void keeper.restore();
      watchDenials({ node, log, events, nft, inside, client, pipeline, owners, versions, ...told, audits, signal });
    },
    finish: () => keeper.finish(),
    serve: ({ applied, held, isCertain, verify, reportUnenforceable, comparedSecondsAgo }) =>
      serveWhenFree(
        {
          listen: config.listen,
          registry: metrics.registry,
          live,
          ready,
          applied: () => ({ node, ...applied(), comparedSecondsAgo: comparedSecondsAgo() }),
          flows: flows && (() => flows.latest()),
          node: () => {
            const { issues } = reporter;
            const known = { node, version, applied: applied()?.resources, startGate, live, ready, pipeline, issues };
            return describeNode(known);
          },
          policies: async () => {
            const [pending] = await Promise.all([reportUnenforceable(), verify()]);
            const { issues, silentSeconds } = reporter;
            const kernel = { held: held.held, isCertain: isCertain(), comparedSecondsAgo: comparedSecondsAgo() };
            return describePolicies({ node, version, ...kernel, ready, issues, pending, silentSeconds });
          },
          audits() {
            const now = Date.now();
            // The time of day may have been wrong at the start.
            const since = Math.round(now - (performance.now() - begun));
            const known = { policies: source.snapshot.policies, leftOut: leftOutNow() };
            return { node, ...audits.page(known, now), now, since };
          },
        },
        portPatienceMs,
        logger,
        signal,
      ),
  };
}
