import { compareText } from '../lib/sort.ts';

export type Labels = Readonly<Record<string, string>>;

/** Labels that controllers of Kubernetes and of common projects set on pods. Their values differ between pods of one workload, or change with each rollout. */
const generated: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'pod-template-generation',
  'controller-revision-hash',
  'controller-uid',
  'job-name',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'rollouts-pod-template-hash',
  'security.istio.io/tlsMode',
  'service.istio.io/canonical-name',
  'service.istio.io/canonical-revision',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const generatedPrefixes: readonly string[] = [
  'batch.kubernetes.io/',
  'jobset.sigs.k8s.io/',
  'kueue.x-k8s.io/',
  'leaderworkerset.sigs.k8s.io/',
];

/** Characters of all labels of a pod. A pod with more counts as one without labels: a tenant can write megabytes. */
const longest = 1024;

function isGenerated(key: string): boolean {
  return generated.has(key) || generatedPrefixes.some((prefix) => key.startsWith(prefix));
}

/** The labels that the owner of a pod has set, by key. Empty if they are too long. */
export function ownerLabels(labels: Labels): Labels {
  const own = Object.entries(labels)
    .filter(([key]) => !isGenerated(key))
    .sort(([a], [b]) => compareText(a, b));
  const length = own.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return length > longest ? {} : Object.fromEntries(own);
}
