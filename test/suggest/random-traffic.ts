import fc from 'fast-check';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';
import { ownerLabels, type Labels } from '../../src/flows/owner-labels.ts';
import type { Traffic } from '../../src/flows/traffic.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { clusters } from '../support/random-cluster.ts';

/** Labels that controllers set, each with its own value on each pod. */
export const ofControllers = [
  'pod-template-hash',
  'controller-revision-hash',
  'controller-uid',
  'job-name',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/job-completion-index',
];

const dns: ApiObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'kube-system', labels: { 'kubernetes.io/metadata.name': 'kube-system' } },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'kube-system',
      name: 'coredns',
      labels: { 'k8s-app': 'kube-dns', 'pod-template-hash': '7c65d6cfc9' },
    },
    spec: { nodeName: 'n1', containers: [{ ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }] }] },
    status: { phase: 'Running', podIPs: [{ ip: '10.2.0.9' }, { ip: 'fd02::9' }] },
  },
];

interface RandomTraffic {
  readonly from: number;
  readonly to: number;
  readonly protocol: Traffic['protocol'];
  readonly port: number;
  readonly verdict: Traffic['verdict'];
}

const traffic = fc.record({
  from: fc.nat(),
  to: fc.nat(),
  protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'UDP', 'SCTP', 'ICMP'),
  port: fc.constantFrom(53, 79, 80, 81, 82, 443, 8080),
  verdict: fc.constantFrom('allowed', 'allowed', 'allowed', 'unanswered', 'denied'),
}) as fc.Arbitrary<RandomTraffic>;

/** With labels that controllers set on each pod, as far as they have one. */
function withGenerated(objects: readonly ApiObject[]): ApiObject[] {
  return objects.map((object, index) => {
    if (object.kind !== 'Pod') return object;
    const generated = Object.fromEntries(ofControllers.map((key) => [key, `v${index}`]));
    return {
      ...object,
      metadata: { ...object.metadata, labels: { ...(object.metadata['labels'] as Labels), ...generated } },
    };
  });
}

/** Ends of traffic: workloads of the cluster and one that has gone, nodes, addresses outside, and ends that no rule can name. */
function endsOf(objects: readonly ApiObject[]): FlowEnd[] {
  const ofPods = objects
    .filter(({ kind, spec }) => kind === 'Pod' && (spec as { hostNetwork?: boolean }).hostNetwork !== true)
    .map(({ metadata }): FlowEnd => {
      const { namespace, labels } = metadata as unknown as { namespace: string; labels: Labels };
      return { kind: 'workload', namespace, labels: ownerLabels(labels) };
    });
  const outside = Array.from({ length: 12 }, (_, index): FlowEnd => ({ kind: 'block', cidr: `203.0.113.${index}/32` }));
  const gone: FlowEnd = { kind: 'workload', namespace: 'x', labels: { app: 'gone' } };
  return [
    ...[...ofPods, ...ofPods, ...ofPods, gone, ...outside],
    { kind: 'block', cidr: '10.1.0.5/32' },
    { kind: 'block', cidr: '2001:db8::5/128' },
    { kind: 'node', name: 'n2' },
    { kind: 'own-node' },
    { kind: 'others' },
  ];
}

function toTraffic(objects: readonly ApiObject[], all: readonly RandomTraffic[]): Traffic[] {
  const ends = endsOf(objects);
  return all.map(({ from, to, protocol, port, verdict }) => ({
    from: ends[from % ends.length]!,
    to: ends[to % ends.length]!,
    protocol,
    ...(protocol !== 'ICMP' && { port }),
    ...{ verdict, connections: 1, first: 1, last: 1, minutes: [[1, 1]] as const },
  }));
}

/** Clients outside, so many that their addresses become one block. */
function fromMany(objects: readonly ApiObject[], server: number): Traffic[] {
  const all = endsOf(objects);
  const clients = all.flatMap((end, index) => (end.kind === 'block' ? [index] : []));
  return toTraffic(
    objects,
    clients.map((from) => ({ from, to: server, protocol: 'TCP', port: 443, verdict: 'allowed' })),
  );
}

/** Random clusters with DNS, and random traffic in them. */
export const scenes = fc
  .tuple(clusters, fc.array(traffic, { minLength: 10, maxLength: 60 }), fc.nat())
  .map(([random, few, popular]) => {
    const objects = [...withGenerated(random), ...dns];
    return { objects, seen: [...toTraffic(objects, few), ...fromMany(objects, popular)] };
  });

export const wanted = { isWanted: () => true, includeDenied: false, includeUnanswered: false };
