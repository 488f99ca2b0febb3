import { encodeMessage, encodeObject, type Message, type Type } from './encode.ts';

const listOf = (message: Message): Type => ({ listOf: { message } });
const texts: Type = { listOf: 'text' };
const textMap: Type = { mapOf: 'text' };

const objectMeta: Message = {
  1: ['name', 'text'],
  2: ['generateName', 'text'],
  3: ['namespace', 'text'],
  4: ['selfLink', 'text'],
  5: ['uid', 'text'],
  6: ['resourceVersion', 'text'],
  7: ['generation', 'integer'],
  8: ['creationTimestamp', 'time'],
  9: ['deletionTimestamp', 'time'],
  10: ['deletionGracePeriodSeconds', 'integer'],
  11: ['labels', textMap],
  12: ['annotations', textMap],
  13: [
    'ownerReferences',
    listOf({
      1: ['kind', 'text'],
      3: ['name', 'text'],
      4: ['uid', 'text'],
      5: ['apiVersion', 'text'],
      6: ['controller', 'flag'],
      7: ['blockOwnerDeletion', 'flag'],
    }),
  ],
  14: ['finalizers', texts],
  17: [
    'managedFields',
    listOf({
      1: ['manager', 'text'],
      2: ['operation', 'text'],
      3: ['apiVersion', 'text'],
      4: ['time', 'time'],
      6: ['fieldsType', 'text'],
      7: ['fieldsV1', 'json'],
      8: ['subresource', 'text'],
    }),
  ],
};

const volumeSource: Message = {
  26: [
    'projected',
    {
      message: {
        1: [
          'sources',
          listOf({
            3: [
              'configMap',
              {
                message: {
                  1: ['', { inline: { 1: ['name', 'text'] } }],
                  2: ['items', listOf({ 1: ['key', 'text'], 2: ['path', 'text'] })],
                },
              },
            ],
            4: [
              'serviceAccountToken',
              { message: { 1: ['audience', 'text'], 2: ['expirationSeconds', 'integer'], 3: ['path', 'text'] } },
            ],
          }),
        ],
        2: ['defaultMode', 'integer'],
      },
    },
  ],
};

const httpGet: Message = {
  1: ['path', 'text'],
  2: ['port', 'int-or-text'],
  3: ['host', 'text'],
  4: ['scheme', 'text'],
};

const container: Message = {
  1: ['name', 'text'],
  2: ['image', 'text'],
  3: ['command', texts],
  4: ['args', texts],
  5: ['workingDir', 'text'],
  6: [
    'ports',
    listOf({
      1: ['name', 'text'],
      2: ['hostPort', 'integer'],
      3: ['containerPort', 'integer'],
      4: ['protocol', 'text'],
      5: ['hostIP', 'text'],
    }),
  ],
  7: ['env', listOf({ 1: ['name', 'text'], 2: ['value', 'text'] })],
  8: ['resources', { message: { 1: ['limits', { mapOf: 'quantity' }], 2: ['requests', { mapOf: 'quantity' }] } }],
  9: [
    'volumeMounts',
    listOf({ 1: ['name', 'text'], 2: ['readOnly', 'flag'], 3: ['mountPath', 'text'], 4: ['subPath', 'text'] }),
  ],
  11: [
    'readinessProbe',
    {
      message: {
        1: ['', { inline: { 2: ['httpGet', { message: httpGet }] } }],
        2: ['initialDelaySeconds', 'integer'],
        3: ['timeoutSeconds', 'integer'],
        4: ['periodSeconds', 'integer'],
        5: ['successThreshold', 'integer'],
        6: ['failureThreshold', 'integer'],
      },
    },
  ],
  13: ['terminationMessagePath', 'text'],
  14: ['imagePullPolicy', 'text'],
  20: ['terminationMessagePolicy', 'text'],
  24: ['restartPolicy', 'pointer'],
};

const podSpec: Message = {
  1: ['volumes', listOf({ 1: ['name', 'text'], 2: ['', { inline: volumeSource }] })],
  2: ['containers', listOf(container)],
  3: ['restartPolicy', 'text'],
  4: ['terminationGracePeriodSeconds', 'integer'],
  6: ['dnsPolicy', 'text'],
  7: ['nodeSelector', textMap],
  8: ['serviceAccountName', 'text'],
  9: ['serviceAccount', 'text'],
  10: ['nodeName', 'text'],
  11: ['hostNetwork', 'flag'],
  14: ['securityContext', { message: {} }],
  16: ['hostname', 'text'],
  17: ['subdomain', 'text'],
  19: ['schedulerName', 'text'],
  20: ['initContainers', listOf(container)],
  22: [
    'tolerations',
    listOf({
      1: ['key', 'text'],
      2: ['operator', 'text'],
      3: ['value', 'text'],
      4: ['effect', 'text'],
      5: ['tolerationSeconds', 'integer'],
    }),
  ],
  24: ['priorityClassName', 'text'],
  25: ['priority', 'integer'],
  30: ['enableServiceLinks', 'flag'],
  31: ['preemptionPolicy', 'pointer'],
};

const ips = listOf({ 1: ['ip', 'text'] });

const podStatus: Message = {
  1: ['phase', 'text'],
  2: [
    'conditions',
    listOf({
      1: ['type', 'text'],
      2: ['status', 'text'],
      3: ['lastProbeTime', 'time'],
      4: ['lastTransitionTime', 'time'],
      5: ['reason', 'text'],
      6: ['message', 'text'],
    }),
  ],
  3: ['message', 'text'],
  4: ['reason', 'text'],
  5: ['hostIP', 'text'],
  6: ['podIP', 'text'],
  7: ['startTime', 'time'],
  9: ['qosClass', 'text'],
  11: ['nominatedNodeName', 'text'],
  12: ['podIPs', ips],
  16: ['hostIPs', ips],
};

const pod: Message = {
  1: ['metadata', { message: objectMeta }],
  2: ['spec', { message: podSpec }],
  3: ['status', { message: podStatus }],
};

const podList: Message = {
  1: ['metadata', { message: { 1: ['selfLink', 'text'], 2: ['resourceVersion', 'text'], 3: ['continue', 'text'] } }],
  2: ['items', listOf(pod)],
};

/** Of metav1.Status, what the agent reads. */
const status: Message = {
  2: ['status', 'text'],
  3: ['message', 'text'],
  4: ['reason', 'text'],
  5: ['details', { message: { 4: ['causes', listOf({ 1: ['reason', 'text'], 2: ['message', 'text'] })] } }],
  6: ['code', 'integer'],
};

const watchEvent: Message = { 1: ['type', 'text'], 2: ['object', { message: { 1: ['raw', 'bytes'] } }] };

/** The fields of pods that this folder or a test gives them, with the numbers of generated.proto in k8s.io/api/core/v1. */
export function encodePod(object: object): Uint8Array {
  return encodeObject('v1', 'Pod', pod, object);
}

export function encodePodList(list: object): Uint8Array {
  return encodeObject('v1', 'PodList', podList, list);
}

export function encodeStatus(object: object): Uint8Array {
  return encodeObject('v1', 'Status', status, object);
}

/** One frame of a watch: the length in four bytes, and the event. */
export function encodeEvent(type: string, object: object): Uint8Array {
  const raw = (object as { kind?: string }).kind === 'Status' ? encodeStatus(object) : encodePod(object);
  return frame(encodeMessage(watchEvent, { type, object: { raw } }));
}

/** `bytes` as one frame of a watch. */
export function frame(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
