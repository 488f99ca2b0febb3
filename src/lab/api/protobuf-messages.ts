import type { FieldType, Message } from '../../lib/protobuf/message.ts';

const texts: FieldType = { listOf: 'text' };
const inside = (message: Message): FieldType => ({ message });
const listOf = (message: Message): FieldType => ({ listOf: { message } });
/** A pointer in Go: 0 is not absence. */
const pointer: FieldType = { kept: 'integer' };

const objectMeta: Message = {
  1: ['name', 'text'],
  2: ['generateName', 'text'],
  3: ['namespace', 'text'],
  5: ['uid', 'text'],
  6: ['resourceVersion', 'text'],
  7: ['generation', 'integer'],
  8: ['creationTimestamp', 'time'],
  11: ['labels', 'text-map'],
  12: ['annotations', 'text-map'],
  14: ['finalizers', texts],
};

const labelSelector: Message = {
  1: ['matchLabels', 'text-map'],
  2: ['matchExpressions', listOf({ 1: ['key', 'text'], 2: ['operator', 'text'], 3: ['values', texts] })],
};

const containerPort: Message = {
  1: ['name', 'text'],
  2: ['hostPort', 'integer'],
  3: ['containerPort', 'integer'],
  4: ['protocol', 'text'],
  5: ['hostIP', 'text'],
};

const container: Message = {
  1: ['name', 'text'],
  2: ['image', 'text'],
  3: ['command', texts],
  4: ['args', texts],
  5: ['workingDir', 'text'],
  6: ['ports', listOf(containerPort)],
  7: ['env', listOf({ 1: ['name', 'text'], 2: ['value', 'text'] })],
  13: ['terminationMessagePath', 'text'],
  14: ['imagePullPolicy', 'text'],
};

const podSpec: Message = {
  2: ['containers', listOf(container)],
  3: ['restartPolicy', 'text'],
  4: ['terminationGracePeriodSeconds', pointer],
  5: ['activeDeadlineSeconds', pointer],
  6: ['dnsPolicy', 'text'],
  7: ['nodeSelector', 'text-map'],
  8: ['serviceAccountName', 'text'],
  9: ['serviceAccount', 'text'],
  10: ['nodeName', 'text'],
  11: ['hostNetwork', 'flag'],
  20: ['initContainers', listOf(container)],
};

const podTemplate: Message = { 1: ['metadata', inside(objectMeta)], 2: ['spec', inside(podSpec)] };

const deploymentSpec: Message = {
  1: ['replicas', pointer],
  2: ['selector', inside(labelSelector)],
  3: ['template', inside(podTemplate)],
  4: ['strategy', inside({ 1: ['type', 'text'] })],
  5: ['minReadySeconds', 'integer'],
  6: ['revisionHistoryLimit', pointer],
  7: ['paused', 'flag'],
};

const servicePort: Message = {
  1: ['name', 'text'],
  2: ['protocol', 'text'],
  3: ['port', 'integer'],
  4: ['targetPort', 'int-or-text'],
  5: ['nodePort', 'integer'],
};

const serviceSpec: Message = {
  1: ['ports', listOf(servicePort)],
  2: ['selector', 'text-map'],
  3: ['clusterIP', 'text'],
  4: ['type', 'text'],
  5: ['externalIPs', texts],
  7: ['sessionAffinity', 'text'],
  10: ['externalName', 'text'],
};

const jobSpec: Message = {
  1: ['parallelism', pointer],
  2: ['completions', pointer],
  3: ['activeDeadlineSeconds', pointer],
  6: ['template', inside(podTemplate)],
  7: ['backoffLimit', pointer],
};

const cronJobSpec: Message = {
  1: ['schedule', 'text'],
  3: ['concurrencyPolicy', 'text'],
  4: ['suspend', 'flag'],
  5: ['jobTemplate', inside({ 1: ['metadata', inside(objectMeta)], 2: ['spec', inside(jobSpec)] })],
};

function topLevel(rest: Message): Message {
  return { 1: ['metadata', inside(objectMeta)], ...rest };
}

/**
 * Objects that kubectl commands such as `kubectl create namespace` send as protobuf, with the field numbers of generated.proto in
 * k8s.io/api. kubectl sends manifests as JSON.
 */
export const messages: Readonly<Record<string, Message>> = {
  'v1/Namespace': topLevel({ 2: ['spec', inside({ 1: ['finalizers', texts] })], 3: ['status', 'ignored'] }),
  'v1/ConfigMap': topLevel({ 2: ['data', 'text-map'], 4: ['immutable', 'flag'] }),
  'v1/ServiceAccount': topLevel({}),
  'v1/Service': topLevel({ 2: ['spec', inside(serviceSpec)], 3: ['status', 'ignored'] }),
  'apps/v1/Deployment': topLevel({ 2: ['spec', inside(deploymentSpec)], 3: ['status', 'ignored'] }),
  'batch/v1/Job': topLevel({ 2: ['spec', inside(jobSpec)], 3: ['status', 'ignored'] }),
  'batch/v1/CronJob': topLevel({ 2: ['spec', inside(cronJobSpec)], 3: ['status', 'ignored'] }),
};
