import {
  anything,
  fieldsOf,
  flag,
  int32,
  intOrText,
  list,
  listByKey,
  map,
  object,
  setOf,
  text,
  textMap,
  texts,
} from './schema.ts';
import { conditions, topLevel } from './meta.ts';

export const namespace = topLevel('Namespace', {
  spec: object('NamespaceSpec', { finalizers: texts }),
  status: object('NamespaceStatus', { phase: text, conditions }),
});

const taint = object('Taint', fieldsOf(text, 'key value effect timeAdded'));

export const node = topLevel('Node', {
  spec: object('NodeSpec', {
    ...fieldsOf(text, 'podCIDR providerID externalID'),
    podCIDRs: setOf(text),
    unschedulable: flag,
    taints: list(taint),
    configSource: anything,
  }),
  status: object('NodeStatus', {
    phase: text,
    conditions,
    addresses: listByKey('type', object('NodeAddress', fieldsOf(text, 'type address'))),
    ...fieldsOf(map(intOrText), 'capacity allocatable'),
    ...fieldsOf(list(anything), 'images volumesAttached runtimeHandlers'),
    volumesInUse: texts,
    ...fieldsOf(anything, 'daemonEndpoints nodeInfo config features'),
  }),
});

const servicePort = object('ServicePort', {
  ...fieldsOf(text, 'name protocol appProtocol'),
  ...fieldsOf(int32, 'port nodePort'),
  targetPort: intOrText,
});

export const service = topLevel('Service', {
  spec: object('ServiceSpec', {
    ...fieldsOf(text, 'clusterIP type sessionAffinity loadBalancerIP externalName externalTrafficPolicy'),
    ...fieldsOf(text, 'ipFamilyPolicy loadBalancerClass internalTrafficPolicy trafficDistribution'),
    ...fieldsOf(texts, 'clusterIPs externalIPs loadBalancerSourceRanges ipFamilies'),
    ...fieldsOf(flag, 'publishNotReadyAddresses allocateLoadBalancerNodePorts'),
    healthCheckNodePort: int32,
    ports: listByKey('port', servicePort),
    selector: textMap,
    sessionAffinityConfig: anything,
  }),
  status: object('ServiceStatus', { loadBalancer: anything, conditions }),
});

const endpointAddress = object('EndpointAddress', {
  ...fieldsOf(text, 'ip hostname nodeName'),
  targetRef: anything,
});
const endpointPort = object('EndpointPort', { ...fieldsOf(text, 'name protocol appProtocol'), port: int32 });

export const endpoints = topLevel('Endpoints', {
  subsets: list(
    object('EndpointSubset', {
      ...fieldsOf(list(endpointAddress), 'addresses notReadyAddresses'),
      ports: list(endpointPort),
    }),
  ),
});

export const endpointSlice = topLevel('EndpointSlice', {
  addressType: text,
  endpoints: list(
    object('Endpoint', {
      addresses: texts,
      conditions: object('EndpointConditions', fieldsOf(flag, 'ready serving terminating')),
      ...fieldsOf(text, 'hostname nodeName zone'),
      deprecatedTopology: textMap,
      ...fieldsOf(anything, 'targetRef hints'),
    }),
  ),
  ports: list(endpointPort),
});

export const configMap = topLevel('ConfigMap', { ...fieldsOf(textMap, 'data binaryData'), immutable: flag });

const nameReference = object(
  'ObjectReference',
  fieldsOf(text, 'kind namespace name uid apiVersion resourceVersion fieldPath'),
);

export const serviceAccount = topLevel('ServiceAccount', {
  secrets: listByKey('name', nameReference),
  imagePullSecrets: listByKey('name', object('LocalObjectReference', { name: text })),
  automountServiceAccountToken: flag,
});

export const coreEvent = topLevel('Event', {
  ...fieldsOf(nameReference, 'involvedObject related'),
  ...fieldsOf(
    text,
    'reason message type action eventTime firstTimestamp lastTimestamp reportingComponent reportingInstance',
  ),
  count: int32,
  source: object('EventSource', fieldsOf(text, 'component host')),
  series: object('EventSeries', { count: int32, lastObservedTime: text }),
});

export const event = topLevel('Event', {
  ...fieldsOf(nameReference, 'regarding related'),
  ...fieldsOf(text, 'reason note type action eventTime reportingController reportingInstance'),
  ...fieldsOf(text, 'deprecatedFirstTimestamp deprecatedLastTimestamp'),
  deprecatedCount: int32,
  deprecatedSource: object('EventSource', fieldsOf(text, 'component host')),
  series: object('EventSeries', { count: int32, lastObservedTime: text }),
});

export const lease = topLevel('Lease', {
  spec: object('LeaseSpec', {
    ...fieldsOf(text, 'holderIdentity acquireTime renewTime strategy preferredHolder'),
    ...fieldsOf(int32, 'leaseDurationSeconds leaseTransitions'),
  }),
});
