import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { createApplyMetrics, type ApplyMetrics } from './apply.ts';
import { createCniMetrics, type CniMetrics } from './cni.ts';
import { createDenialMetrics, type DenialMetrics } from './denials.ts';
import { createFlowMetrics, type FlowMetrics } from './flows.ts';
import { createIssueMetrics, type IssueMetrics } from './issues.ts';
import { createNodeMetrics, type NodeMetrics } from './node.ts';
import { createObjectEventMetrics, type ObjectEventMetrics } from './object-events.ts';
import { createPodNetworkMetrics, type PodNetworkMetrics } from './pod-networks.ts';
import { createPolicyMetrics, type PolicyMetrics } from './policies.ts';
import { createReadinessMetrics, type ReadinessMetrics } from './readiness.ts';
import { createSnapshotMetrics, type SnapshotMetrics } from './snapshot.ts';
import { createStatusMetrics, type StatusMetrics } from './status.ts';
import { createWatchMetrics, type WatchMetrics } from './watch.ts';

export interface Metrics {
  readonly registry: Registry;
  readonly readiness: ReadinessMetrics;
  readonly watch: WatchMetrics;
  readonly snapshot: SnapshotMetrics;
  readonly node: NodeMetrics;
  readonly issues: IssueMetrics;
  readonly objectEvents: ObjectEventMetrics;
  readonly apply: ApplyMetrics;
  readonly cni: CniMetrics;
  readonly denials: DenialMetrics;
  readonly flows: FlowMetrics;
  readonly policies: PolicyMetrics;
  readonly podNetworks: PodNetworkMetrics;
  readonly status: StatusMetrics;
}

/** Creates a separate registry, so that two agents or two tests in one process do not share metrics. */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'postern_build_info',
    help: 'Always 1; the labels show the version of Postern and of Node.js.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  }).set({ version, node_version: process.version }, 1);
  return {
    registry,
    readiness: createReadinessMetrics(registry),
    watch: createWatchMetrics(registry),
    snapshot: createSnapshotMetrics(registry),
    node: createNodeMetrics(registry),
    issues: createIssueMetrics(registry),
    objectEvents: createObjectEventMetrics(registry),
    apply: createApplyMetrics(registry),
    cni: createCniMetrics(registry),
    denials: createDenialMetrics(registry),
    flows: createFlowMetrics(registry),
    policies: createPolicyMetrics(registry),
    podNetworks: createPodNetworkMetrics(registry),
    status: createStatusMetrics(registry),
  };
}
