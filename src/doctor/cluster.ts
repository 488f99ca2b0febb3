import { compareText, sorted } from '../lib/sort.ts';
import type { Known } from './facts.ts';
import { valueOf } from './facts.ts';
import { runChecks, sortBySeverity, type Check, type Finding, type Found } from './finding.ts';
import type { ProbeHost } from './probe-hosts.ts';
import type { NodeReport } from './report.ts';
import { tierChecks, unknownOfTiers } from './tiers/checks.ts';
import type { TierFacts } from './tiers/facts.ts';

/** Facts of the whole cluster. */
export interface ClusterFacts {
  /** Version of this doctor. */
  readonly version: string;
  readonly nodes: readonly AskedNode[];
  /** Linux nodes without a pod of the DaemonSet; `unknown` without the right to list nodes. */
  readonly withoutAgent: Known<readonly string[]>;
  readonly falseAgents: Known<readonly FalseAgent[]>;
  /** Hash of each resource that the agents should have applied by now. */
  readonly digests: Known<Readonly<Record<string, string>>>;
  readonly probeHosts: Known<readonly ProbeHost[]>;
  /** `undefined` if the cluster has no ClusterNetworkPolicy, or if the doctor looks at one node only. */
  readonly tiers: Known<TierFacts | undefined>;
}

/** A pod with the labels of agents that is no agent. */
export interface FalseAgent {
  /** `namespace/name` */
  readonly pod: string;
  readonly node: string;
  readonly why: string;
}

export interface AskedNode {
  readonly node: string;
  readonly pod: string;
  readonly report: Known<NodeReport>;
}

export const clusterChecks: readonly Check<ClusterFacts>[] = [
  {
    id: 'no-agent',
    severity: 'error',
    finds: 'a node has no agent',
    effect:
      'new pods and policy changes are not enforced on that node; rules that an earlier agent wrote stay in the kernel',
    remedy: 'check nodeSelector, affinity and tolerations of the DaemonSet, and its Events',
    find: ({ withoutAgent }) =>
      (valueOf(withoutAgent) ?? []).map((node) => ({
        subject: `node ${node}`,
        problem: 'it has no agent pod',
      })),
  },
  {
    id: 'no-answer',
    severity: 'error',
    finds: 'the agent of a node does not answer',
    effect: 'the doctor does not know what that node enforces',
    remedy: 'do what the finding says; kubectl -n NAMESPACE describe pod POD shows more',
    find: ({ nodes }) =>
      nodes.flatMap(({ node, pod, report }) =>
        'unknown' in report ? [{ subject: `node ${node}`, problem: `pod ${pod}: ${report.unknown}` }] : [],
      ),
  },
  {
    id: 'false-agent',
    severity: 'warning',
    finds: 'a pod has the labels of the agents and is no agent of the release',
    effect: 'no command asks it; another program that selects pods by these labels may take it for an agent',
    remedy:
      'ask the owner of its namespace, and delete it or change its labels; if it is an agent of yours, install it as the chart or deploy/ does',
    find: ({ falseAgents }) =>
      limited(
        (valueOf(falseAgents) ?? []).map(({ pod, node, why }) => {
          return { subject: `pod ${pod}`, problem: `it is on node ${node} with the labels of the agents: ${why}` };
        }),
        'more pods have these labels',
      ),
  },
  {
    id: 'version-skew',
    severity: 'warning',
    finds: 'agents of several versions run in the cluster',
    effect: 'nodes may enforce policies differently',
    remedy:
      'wait until the roll-out ends, or find out why it is stuck: kubectl -n NAMESPACE rollout status daemonset/postern',
    find: ({ nodes }) =>
      differing(nodes, ({ version }) => version).map(({ text }) => ({ subject: 'agents', problem: text })),
  },
  {
    id: 'nft-skew',
    severity: 'warning',
    finds: 'agents run different versions of nft',
    effect: 'nft of one node may fail on rules that another reads; Postern is tested with the nft of its image only',
    remedy: 'use the image of one version of Postern on all nodes',
    find: ({ nodes }) => differing(nodes, ({ nft }) => nft).map(({ text }) => ({ subject: 'nft', problem: text })),
  },
  {
    id: 'behind',
    severity: 'error',
    finds: 'a node has not applied the current policies and namespaces of the API server',
    effect: 'it enforces older policies than the other nodes',
    remedy: 'read the log of its agent, and its other findings',
    find: ({ nodes, digests }) => {
      const wanted = Object.entries(valueOf(digests) ?? {});
      return nodes.flatMap(({ node, report }) => {
        // A node that has applied nothing has a finding of its own.
        const applied = valueOf(report)?.applied ?? {};
        const old = wanted.filter(([resource, digest]) => (applied[resource] ?? digest) !== digest);
        const resources = old.map(([resource]) => resource).join(' and ');
        const problem = `it has not applied the current ${resources}`;
        return old.length > 0 ? [{ subject: `node ${node}`, problem }] : [];
      });
    },
  },
  {
    id: 'probe-host',
    severity: 'warning',
    finds: 'a probe or a lifecycle hook of a pod names a host',
    effect:
      'the kubelet sends to that host from the node, and isolated pods always accept traffic of their own node: the pod can reach them through its probes',
    remedy:
      'remove the host field, so that the kubelet probes the pod itself; deploy/admission/no-probe-hosts.yaml rejects such pods',
    find: ({ probeHosts }) => {
      const byPod = [...Map.groupBy(valueOf(probeHosts) ?? [], ({ pod }) => pod)].sort(([a], [b]) => compareText(a, b));
      const found = byPod.map(([pod, hosts]) => {
        const problem = hosts.map(({ path, host }) => `${path} is ${JSON.stringify(host)}`).join(', ');
        return { subject: `pod ${pod}`, problem, pods: [pod] };
      });
      return limited(found, 'more pods have such a probe or hook');
    },
  },
  ...tierChecks,
];

/** Limit of the list; the report counts the rest. */
const mostPods = 50;

function limited(found: readonly Found[], rest: string): readonly Found[] {
  const left = found.length - mostPods;
  return left > 0 ? [...found.slice(0, mostPods), { subject: 'pods', problem: `${left} ${rest}` }] : found;
}

/** Which nodes have which value; empty if all have the same. */
function differing(nodes: readonly AskedNode[], read: (report: NodeReport) => string): { readonly text: string }[] {
  const known = nodes.flatMap(({ node, report }) => {
    const value = valueOf(report);
    return value ? [{ node, value: read(value) }] : [];
  });
  const groups = [...Map.groupBy(known, ({ value }) => value)].sort(([, a], [, b]) => b.length - a.length);
  if (groups.length < 2) return [];
  const parts = groups.map(([value, members]) => `${value} on ${shorten(members.map(({ node }) => node))}`);
  return [{ text: parts.join('; ') }];
}

function shorten(nodes: readonly string[]): string {
  const names = sorted(nodes);
  return names.length > 5 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more nodes` : names.join(', ');
}

/** A finding with all nodes that have it; no node for a finding about the cluster. */
export interface ClusterFinding extends Finding {
  readonly nodes: readonly string[];
}

/** What `postern doctor -o json` prints. */
export interface ClusterReport {
  readonly nodes: readonly Omit<NodeReport, 'findings' | 'unknown'>[];
  readonly findings: readonly ClusterFinding[];
  readonly unknown: readonly string[];
}

export function judgeCluster(facts: ClusterFacts, ignored: ReadonlySet<string> = new Set()): ClusterReport {
  const reports = facts.nodes.flatMap(({ report }) => valueOf(report) ?? []);
  const ofNodes = reports.flatMap(({ node, findings }) => findings.map((finding) => ({ finding, node })));
  // A policy that cannot be read concerns other pods on each node.
  const same = Map.groupBy(ofNodes, ({ finding }) => JSON.stringify({ ...finding, pods: [], policies: [] }));
  const merged = same.values().map((each) => ({
    ...each[0]!.finding,
    pods: sorted(new Set(each.flatMap(({ finding }) => finding.pods))),
    policies: sorted(new Set(each.flatMap(({ finding }) => finding.policies))),
    nodes: sorted(each.map(({ node }) => node)),
  }));
  const own = runChecks(clusterChecks, facts).map((finding) => ({ ...finding, nodes: [] }));
  const unknown = Object.entries({
    'the list of nodes': facts.withoutAgent,
    'the list of policies': facts.digests,
    'the list of pods': facts.probeHosts,
    'pods with the labels of the agents': facts.falseAgents,
  });
  return {
    nodes: reports.map(({ node, version, nft, kernel, applied }) => ({ node, version, nft, kernel, applied })),
    findings: sortBySeverity([...own, ...merged]).filter(({ check }) => !ignored.has(check)),
    unknown: [
      ...unknown.flatMap(([what, fact]) => ('unknown' in fact ? [`${what}: ${fact.unknown}`] : [])),
      ...unknownOfTiers(facts),
      ...reports.flatMap(({ node, unknown: texts }) => texts.map((text) => `on ${node}, ${text}`)),
    ],
  };
}
