import {
  anything,
  fieldsOf,
  flag,
  int32,
  int64,
  intOrText,
  list,
  listByKey,
  map,
  object,
  text,
  textMap,
  texts,
} from './schema.ts';
import { conditions, objectMeta, topLevel } from './meta.ts';

const containerPort = object('ContainerPort', {
  ...fieldsOf(text, 'name protocol hostIP'),
  ...fieldsOf(int32, 'containerPort hostPort'),
});

const handler = {
  exec: object('ExecAction', { command: texts }),
  httpGet: object('HTTPGetAction', {
    ...fieldsOf(text, 'path host scheme'),
    port: intOrText,
    httpHeaders: list(object('HTTPHeader', fieldsOf(text, 'name value'))),
  }),
  tcpSocket: object('TCPSocketAction', { port: intOrText, host: text }),
  grpc: object('GRPCAction', { port: int32, service: text }),
};

const probe = object('Probe', {
  ...handler,
  ...fieldsOf(int32, 'initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold'),
  terminationGracePeriodSeconds: int64,
});

const volumeMount = object('VolumeMount', {
  ...fieldsOf(text, 'name mountPath subPath subPathExpr mountPropagation recursiveReadOnly'),
  readOnly: flag,
});

const containerFields = {
  ...fieldsOf(
    text,
    'name image workingDir restartPolicy terminationMessagePath terminationMessagePolicy imagePullPolicy',
  ),
  ...fieldsOf(texts, 'command args'),
  ...fieldsOf(flag, 'stdin stdinOnce tty'),
  ...fieldsOf(probe, 'livenessProbe readinessProbe startupProbe'),
  ports: listByKey('containerPort', containerPort),
  env: listByKey('name', object('EnvVar', { ...fieldsOf(text, 'name value'), valueFrom: anything })),
  envFrom: list(anything),
  resources: object('ResourceRequirements', { ...fieldsOf(map(intOrText), 'limits requests'), claims: list(anything) }),
  resizePolicy: list(anything),
  volumeMounts: listByKey('mountPath', volumeMount),
  volumeDevices: listByKey('devicePath', object('VolumeDevice', fieldsOf(text, 'name devicePath'))),
  lifecycle: anything,
  securityContext: anything,
};

const container = object('Container', containerFields);
const ephemeralContainer = object('EphemeralContainer', { ...containerFields, targetContainerName: text });

const toleration = object('Toleration', {
  ...fieldsOf(text, 'key operator value effect'),
  tolerationSeconds: int64,
});

const podSpec = object('PodSpec', {
  ...fieldsOf(text, 'restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain'),
  ...fieldsOf(text, 'schedulerName priorityClassName runtimeClassName preemptionPolicy'),
  ...fieldsOf(flag, 'automountServiceAccountToken hostNetwork hostPID hostIPC hostUsers shareProcessNamespace'),
  ...fieldsOf(flag, 'enableServiceLinks setHostnameAsFQDN'),
  ...fieldsOf(int64, 'terminationGracePeriodSeconds activeDeadlineSeconds'),
  priority: int32,
  nodeSelector: textMap,
  ...fieldsOf(listByKey('name', container), 'containers initContainers'),
  ephemeralContainers: listByKey('name', ephemeralContainer),
  // A volume has a name and one of thirty sources, which the lab does not read.
  ...fieldsOf(listByKey('name', anything), 'volumes resourceClaims'),
  imagePullSecrets: listByKey('name', object('LocalObjectReference', { name: text })),
  schedulingGates: listByKey('name', object('PodSchedulingGate', { name: text })),
  hostAliases: listByKey('ip', object('HostAlias', { ip: text, hostnames: texts })),
  tolerations: list(toleration),
  topologySpreadConstraints: listByKey('topologyKey', anything),
  readinessGates: list(object('PodReadinessGate', { conditionType: text })),
  overhead: map(intOrText),
  ...fieldsOf(anything, 'affinity dnsConfig os resources securityContext'),
});

export const podTemplate = object('PodTemplateSpec', { metadata: objectMeta, spec: podSpec });

const podStatus = object('PodStatus', {
  ...fieldsOf(text, 'phase message reason nominatedNodeName hostIP podIP startTime qosClass resize'),
  conditions,
  podIPs: listByKey('ip', object('PodIP', { ip: text })),
  hostIPs: listByKey('ip', object('HostIP', { ip: text })),
  ...fieldsOf(list(anything), 'initContainerStatuses containerStatuses ephemeralContainerStatuses'),
  resourceClaimStatuses: listByKey('name', anything),
  observedGeneration: int64,
});

export const pod = topLevel('Pod', { spec: podSpec, status: podStatus });
