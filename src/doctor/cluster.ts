import { compareText, sorted } from '../lib/sort.ts';
import type { Known } from './facts.ts';
import { valueOf } from './facts.ts';
import { runChecks, sortBySeverity, type Check, type Finding } from './finding.ts';
import type { ProbeHost } from './probe-hosts.ts';
import type { NodeReport } from './report.ts';

/** What is known of all nodes together. */
export interface ClusterFacts {
  /** Of the doctor that asks. */
  readonly version: string;
  readonly nodes: readonly AskedNode[];
  /** Linux nodes on which no agent is to run; `unknown` where nodes may not be listed. */
  readonly withoutAgent: Known<readonly string[]>;
  /** What the agents should have applied by now, a hash for each resource that is compared. */
  readonly digests: Known<Readonly<Record<string, string>>>;
  readonly probeHosts: Known<readonly ProbeHost[]>;
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
    effect: 'nothing is enforced for the pods of that node; rules of an agent that was there stay as they were',
    remedy: 'see nodeSelector, affinity and tolerations of the DaemonSet, and its Events',
    find: ({ withoutAgent }) =>
      (valueOf(withoutAgent) ?? []).map((node) => ({
        subject: `node ${node}`,
        problem: 'no pod of the agent is on it',
      })),
  },
  {
    id: 'no-answer',
    severity: 'error',
    finds: 'the agent of a node cannot be asked',
    effect: 'what that node enforces is not known',
    remedy: 'do what the text says; kubectl -n NAMESPACE describe pod POD says more',
    find: ({ nodes }) =>
      nodes.flatMap(({ node, pod, report }) =>
        'unknown' in report ? [{ subject: `node ${node}`, problem: `pod ${pod}: ${report.unknown}` }] : [],
      ),
  },
  {
    id: 'version-skew',
    severity: 'warning',
    finds: 'agents of several versions run in the cluster',
    effect: 'policies may hold differently from node to node',
    remedy:
      'wait for the roll-out to end: kubectl -n NAMESPACE rollout status daemonset/postern, or see what holds it up',
    find: ({ nodes }) =>
      differing(nodes, ({ version }) => version).map(({ text }) => ({ subject: 'agents', problem: text })),
  },
  {
    id: 'nft-skew',
    severity: 'warning',
    finds: 'the nft of agents differs from node to node',
    effect: 'one may read what another cannot; what is tested is the nft of the image',
    remedy: 'use the image of one version of Postern on all nodes',
    find: ({ nodes }) => differing(nodes, ({ nft }) => nft).map(({ text }) => ({ subject: 'nft', problem: text })),
  },
  {
    id: 'behind',
    severity: 'error',
    finds: 'a node has not applied the policies and namespaces that the API server holds',
    effect: 'it enforces older policies than the other nodes',
    remedy: 'look at the log of its agent, and at its findings here',
    find: ({ nodes, digests }) => {
      const wanted = Object.entries(valueOf(digests) ?? {});
      return nodes.flatMap(({ node, report }) => {
        // One that has applied nothing says why by itself.
        const applied = valueOf(report)?.applied ?? {};
        const old = wanted.filter(([resource, digest]) => (applied[resource] ?? digest) !== digest);
        const resources = old.map(([resource]) => resource).join(' and ');
        const problem = `it has applied other ${resources} than there are now`;
        return old.length > 0 ? [{ subject: `node ${node}`, problem }] : [];
      });
    },
  },
  {
    id: 'probe-host',
    severity: 'warning',
    finds: 'a probe or a lifecycle hook of a pod names a host',
    effect:
      'the kubelet sends there from the node: isolated pods of that node let it in, for traffic of the own node is never judged',
    remedy:
      'leave the host out, so that the kubelet asks the pod itself; deploy/admission/no-probe-hosts.yaml refuses such pods',
    find: ({ probeHosts }) => {
      const byPod = [...Map.groupBy(valueOf(probeHosts) ?? [], ({ pod }) => pod)].sort(([a], [b]) => compareText(a, b));
      const found = byPod.slice(0, mostPods).map(([pod, hosts]) => {
        const problem = hosts.map(({ path, host }) => `${path} is ${JSON.stringify(host)}`).join(', ');
        return { subject: `pod ${pod}`, problem, pods: [pod] };
      });
      const left = byPod.length - mostPods;
      return left > 0 ? [...found, { subject: 'pods', problem: `${left} more pods do so` }] : found;
    },
  },
];

/** One reads no further, and the rest is counted. */
const mostPods = 50;

/** The value that each has, where they are not the same. */
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

/** A finding, and on which nodes it is the same; none: it is of the cluster. */
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
  const same = Map.groupBy(ofNodes, ({ finding }) => JSON.stringify(finding));
  const merged = same.values().map((each) => ({ ...each[0]!.finding, nodes: sorted(each.map(({ node }) => node)) }));
  const own = runChecks(clusterChecks, facts).map((finding) => ({ ...finding, nodes: [] }));
  const unknown = Object.entries({
    'the list of nodes': facts.withoutAgent,
    'the list of policies': facts.digests,
    'the list of pods': facts.probeHosts,
  });
  return {
    nodes: reports.map(({ node, version, nft, kernel, applied }) => ({ node, version, nft, kernel, applied })),
    findings: sortBySeverity([...own, ...merged]).filter(({ check }) => !ignored.has(check)),
    unknown: [
      ...unknown.flatMap(([what, fact]) => ('unknown' in fact ? [`${what}: ${fact.unknown}`] : [])),
      ...reports.flatMap(({ node, unknown: texts }) => texts.map((text) => `on ${node}, ${text}`)),
    ],
  };
}
