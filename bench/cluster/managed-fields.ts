const time = '2026-05-04T08:15:42Z';
const conditionTypes = ['ContainersReady', 'Initialized', 'PodReadyToStartContainers', 'Ready'];

/** The managedFields of a running pod of a ReplicaSet: what the controller manager and the kubelet have written. Half of a pod's JSON. */
export function managedFieldsOf(container: string, ownerUid: string, ips: readonly string[]): object[] {
  return [
    {
      manager: 'kube-controller-manager',
      operation: 'Update',
      apiVersion: 'v1',
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': {
          'f:generateName': {},
          'f:labels': fields(
            '.',
            'f:app',
            'f:app.kubernetes.io/component',
            'f:app.kubernetes.io/managed-by',
            'f:pod-template-hash',
          ),
          'f:ownerReferences': { '.': {}, [`k:{"uid":"${ownerUid}"}`]: {} },
        },
        'f:spec': {
          'f:containers': { [`k:{"name":"${container}"}`]: containerFields },
          ...fields(...specFields),
        },
      },
    },
    {
      manager: 'kubelet',
      operation: 'Update',
      apiVersion: 'v1',
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:status': {
          'f:conditions': Object.fromEntries(conditionTypes.map((type) => [`k:{"type":"${type}"}`, conditionFields])),
          ...fields('f:containerStatuses', 'f:hostIP', 'f:hostIPs', 'f:phase', 'f:podIP', 'f:startTime'),
          'f:podIPs': { '.': {}, ...Object.fromEntries(ips.map((ip) => [`k:{"ip":"${ip}"}`, fields('.', 'f:ip')])) },
        },
      },
      subresource: 'status',
    },
  ];
}

function fields(...names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

const conditionFields = fields(
  '.',
  'f:lastProbeTime',
  'f:lastTransitionTime',
  'f:observedGeneration',
  'f:status',
  'f:type',
);
const portFields = fields('.', 'f:containerPort', 'f:name', 'f:protocol');
const containerFields = {
  ...fields('.', 'f:image', 'f:imagePullPolicy', 'f:name', 'f:terminationMessagePath', 'f:terminationMessagePolicy'),
  'f:env': { '.': {}, 'k:{"name":"LOG_LEVEL"}': fields('.', 'f:name', 'f:value') },
  'f:ports': {
    '.': {},
    'k:{"containerPort":8080,"protocol":"TCP"}': portFields,
    'k:{"containerPort":9090,"protocol":"TCP"}': portFields,
  },
  'f:readinessProbe': {
    '.': {},
    'f:httpGet': fields('.', 'f:path', 'f:port', 'f:scheme'),
    ...fields('f:failureThreshold', 'f:periodSeconds', 'f:successThreshold', 'f:timeoutSeconds'),
  },
  'f:resources': {
    '.': {},
    'f:limits': fields('.', 'f:memory'),
    'f:requests': fields('.', 'f:cpu', 'f:memory'),
  },
};
const specFields = [
  'f:dnsPolicy',
  'f:enableServiceLinks',
  'f:restartPolicy',
  'f:schedulerName',
  'f:securityContext',
  'f:serviceAccount',
  'f:serviceAccountName',
  'f:terminationGracePeriodSeconds',
];
