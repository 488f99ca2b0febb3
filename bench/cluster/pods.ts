import type { Layout, NamespaceLayout } from './layout.ts';
import { managedFieldsOf } from './managed-fields.ts';
import { nodeAddress, nodeName, podAddresses } from './nodes.ts';
import type { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** Consecutive pods belong to one app. */
const podsPerApp = 20;
const stems = ['web', 'api', 'worker', 'cache', 'orders', 'billing', 'search', 'mailer', 'session', 'reports'];
export const components = ['frontend', 'backend', 'data'] as const;

export function appCount(pods: number): number {
  return Math.max(1, Math.ceil(pods / podsPerApp));
}

export function appName(app: number): string {
  const round = Math.floor(app / stems.length);
  return `${stems[app % stems.length]!}${round === 0 ? '' : `-${round}`}`;
}

export function componentOf(app: number): string {
  return components[app % components.length]!;
}

export function appOf(podOfNamespace: number): number {
  return Math.floor(podOfNamespace / podsPerApp);
}

/** Pods as in a list of the API server. */
export function* podObjects({ shape, nodeOf, slotOf }: Layout, namespace: NamespaceLayout, random: Random) {
  let replicaSet = { app: -1, name: '', hash: '', uid: '' };
  for (let i = 0; i < namespace.pods; i++) {
    const app = appOf(i);
    if (app !== replicaSet.app) {
      const hash = random.hex(8) + random.hex(2);
      replicaSet = { app, name: `${appName(app)}-${hash}`, hash, uid: random.uid() };
    }
    const index = namespace.firstPod + i;
    const node = nodeOf[index]!;
    const ips = podAddresses(shape, node, slotOf[index]!);
    const metadata = {
      name: `${replicaSet.name}-${random.hex(3)}${suffix(i)}`,
      generateName: `${replicaSet.name}-`,
      namespace: namespace.name,
      uid: random.uid(),
      resourceVersion: String(1_000_000 + index),
      creationTimestamp: '2026-05-04T08:15:30Z',
      labels: labelsOf(shape, i, replicaSet.hash),
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: replicaSet.name,
          uid: replicaSet.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: managedFieldsOf(appName(app), replicaSet.uid, ips),
    };
    yield { apiVersion: 'v1', kind: 'Pod', metadata, spec: specOf(shape, node, app), status: statusOf(node, ips) };
  }
}

/** Two characters, unique among the pods of one app. */
function suffix(podOfNamespace: number): string {
  return (podOfNamespace % podsPerApp).toString(36).padStart(2, '0');
}

function labelsOf({ style }: Shape, podOfNamespace: number, hash: string): Record<string, string> {
  if (style === 'antrea') return podOfNamespace < 2 ? { 'app-1': 'scale-1' } : { 'app-2': 'scale-2' };
  const app = appOf(podOfNamespace);
  return {
    app: appName(app),
    'app.kubernetes.io/component': componentOf(app),
    'app.kubernetes.io/managed-by': 'Helm',
    'pod-template-hash': hash,
    ...(style === 'ovn' ? { num: String(podOfNamespace + 1) } : {}),
  };
}

const condition = (type: string): object => {
  return { type, status: 'True', lastProbeTime: null, lastTransitionTime: '2026-05-04T08:15:42Z' };
};
const conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
  condition,
);
const toleration = (key: string): object => {
  return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 };
};
const tolerations = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map(toleration);
const token = {
  name: 'kube-api-access',
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    ],
    defaultMode: 420,
  },
};

function specOf(shape: Shape, node: number, app: number): object {
  const name = appName(app);
  const container = {
    name,
    image: `registry.example/${name}:1.4.2`,
    ports: [
      { name: 'http', containerPort: 8080, protocol: 'TCP' },
      { name: 'metrics', containerPort: 9090, protocol: 'TCP' },
    ],
    env: [{ name: 'LOG_LEVEL', value: 'info' }],
    resources: { limits: { memory: '256Mi' }, requests: { cpu: '50m', memory: '128Mi' } },
    volumeMounts: [{ name: token.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
    readinessProbe: { httpGet: { path: '/healthz', port: 'http', scheme: 'HTTP' }, periodSeconds: 10 },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
  };
  return {
    volumes: [token],
    containers: [container],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: 'default',
    serviceAccount: 'default',
    nodeName: nodeName(shape, node),
    securityContext: {},
    schedulerName: 'default-scheduler',
    tolerations,
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: 'PreemptLowerPriority',
  };
}

function statusOf(node: number, ips: readonly string[]): object {
  const hostIP = nodeAddress(node);
  return {
    phase: 'Running',
    conditions,
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP: ips[0],
    podIPs: ips.map((ip) => ({ ip })),
    startTime: '2026-05-04T08:15:30Z',
    qosClass: 'Burstable',
  };
}
