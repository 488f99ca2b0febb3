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
  'serving.knative.dev/revision',
  'serving.knative.dev/revisionUID',
  'serving.knative.dev/configurationGeneration',
  'serving.knative.dev/configurationUID',
  'serving.knative.dev/serviceUID',
  'tekton.dev/taskRun',
  'tekton.dev/taskRunUID',
  'tekton.dev/pipelineRun',
  'tekton.dev/pipelineRunUID',
  'workflows.argoproj.io/workflow',
  'spark-app-selector',
  'spark-exec-id',
  'strimzi.io/pod-name',
  'cnpg.io/instanceName',
  'cnpg.io/instanceRole',
  'training.kubeflow.org/replica-index',
  'volcano.sh/task-index',
]);
const generatedPrefixes: readonly string[] = [
  'apps.kruise.io/',
  'lifecycle.apps.kruise.io/',
  'batch.kubernetes.io/',
  'jobset.sigs.k8s.io/',
  'kueue.x-k8s.io/',
  'leaderworkerset.sigs.k8s.io/',
];

/** Characters of all labels of a pod. A pod with more counts as one without labels: a tenant can write megabytes. */
const longest = 1024;

/** Labels of a common name that a controller sets to the name of a rollout. */
const ofRollouts: Readonly<Record<string, (value: string, labels: Labels) => boolean>> = {
  // Knative Serving: the Revision.
  app: (value, labels) => value === labels['serving.knative.dev/revision'],
  // OpenShift: the ReplicationController of a DeploymentConfig, NAME-NUMBER.
  deployment: (value, { deploymentconfig: config }) => config !== undefined && value.replace(/-[0-9]+$/, '') === config,
};

function isGenerated(key: string, value: string, labels: Labels): boolean {
  if (generated.has(key) || generatedPrefixes.some((prefix) => key.startsWith(prefix))) return true;
  return Object.hasOwn(ofRollouts, key) && ofRollouts[key]!(value, labels);
}

/** The labels that the owner of a pod has set, by key. Empty if they are too long. */
export function ownerLabels(labels: Labels): Labels {
  const own = Object.entries(labels)
    .filter(([key, value]) => !isGenerated(key, value, labels))
    .sort(([a], [b]) => compareText(a, b));
  const length = own.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return length > longest ? {} : Object.fromEntries(own);
}
