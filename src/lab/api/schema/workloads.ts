import {
  anything,
  fieldsOf,
  flag,
  int32,
  int64,
  list,
  object,
  text,
  type ObjectSchema,
  type Schema,
} from './schema.ts';
import { conditions, labelSelector, objectMeta, topLevel } from './meta.ts';
import { podTemplate } from './pod.ts';

const selected = { selector: labelSelector, template: podTemplate };

const progress = { observedGeneration: int64, conditions };

export const deployment = workload('Deployment', {
  spec: {
    ...selected,
    ...fieldsOf(int32, 'replicas minReadySeconds revisionHistoryLimit progressDeadlineSeconds'),
    paused: flag,
    strategy: anything,
  },
  status: {
    ...progress,
    ...fieldsOf(int32, 'replicas updatedReplicas readyReplicas availableReplicas unavailableReplicas'),
    ...fieldsOf(int32, 'terminatingReplicas collisionCount'),
  },
});

export const replicaSet = workload('ReplicaSet', {
  spec: { ...selected, ...fieldsOf(int32, 'replicas minReadySeconds') },
  status: {
    ...progress,
    ...fieldsOf(int32, 'replicas fullyLabeledReplicas readyReplicas availableReplicas terminatingReplicas'),
  },
});

export const statefulSet = workload('StatefulSet', {
  spec: {
    ...selected,
    ...fieldsOf(int32, 'replicas minReadySeconds revisionHistoryLimit'),
    ...fieldsOf(text, 'serviceName podManagementPolicy'),
    volumeClaimTemplates: list(anything),
    ...fieldsOf(anything, 'updateStrategy persistentVolumeClaimRetentionPolicy ordinals'),
  },
  status: {
    ...progress,
    ...fieldsOf(int32, 'replicas readyReplicas currentReplicas updatedReplicas availableReplicas collisionCount'),
    ...fieldsOf(text, 'currentRevision updateRevision'),
  },
});

export const daemonSet = workload('DaemonSet', {
  spec: { ...selected, ...fieldsOf(int32, 'minReadySeconds revisionHistoryLimit'), updateStrategy: anything },
  status: {
    ...progress,
    ...fieldsOf(int32, 'currentNumberScheduled desiredNumberScheduled updatedNumberScheduled numberMisscheduled'),
    ...fieldsOf(int32, 'numberReady numberAvailable numberUnavailable collisionCount'),
  },
});

const jobSpec = {
  ...selected,
  ...fieldsOf(int32, 'parallelism completions backoffLimit backoffLimitPerIndex maxFailedIndexes'),
  ...fieldsOf(text, 'completionMode podReplacementPolicy managedBy'),
  ...fieldsOf(flag, 'manualSelector suspend'),
  ttlSecondsAfterFinished: int32,
  activeDeadlineSeconds: int64,
  ...fieldsOf(anything, 'podFailurePolicy successPolicy'),
};

export const job = workload('Job', {
  spec: jobSpec,
  status: {
    conditions,
    ...fieldsOf(text, 'startTime completionTime completedIndexes failedIndexes'),
    ...fieldsOf(int32, 'active succeeded failed ready terminating'),
    uncountedTerminatedPods: anything,
  },
});

export const cronJob = workload('CronJob', {
  spec: {
    ...fieldsOf(text, 'schedule timeZone concurrencyPolicy'),
    startingDeadlineSeconds: int64,
    suspend: flag,
    ...fieldsOf(int32, 'successfulJobsHistoryLimit failedJobsHistoryLimit'),
    jobTemplate: object('JobTemplateSpec', { metadata: objectMeta, spec: object('JobSpec', jobSpec) }),
  },
  status: { ...fieldsOf(text, 'lastScheduleTime lastSuccessfulTime'), active: list(anything) },
});

interface WorkloadFields {
  readonly spec: Readonly<Record<string, Schema>>;
  readonly status: Readonly<Record<string, Schema>>;
}

function workload(kind: string, { spec, status }: WorkloadFields): ObjectSchema {
  return topLevel(kind, { spec: object(`${kind}Spec`, spec), status: object(`${kind}Status`, status) });
}
