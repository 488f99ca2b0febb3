/** The measured node. */
export const nodeName = 'node-0';
const meanPods = 20;
const bits = 5;
const remotePods = 3000;

const uidOf = (kind: number, index: number): string =>
  `${kind.toString(16).padStart(4, '0')}${index.toString(16).padStart(4, '0')}-0000-4000-8000-000000000000`;

function podObject(namespace: string, index: number, node: string, labels: Readonly<Record<string, string>>): object {
  const kind = ['mean', 'victim', 'remote'].indexOf(namespace === 'mean' && node !== nodeName ? 'remote' : namespace);
  const ips = [`10.${128 + kind}.${index >> 8}.${index & 255}`, `fd00:${kind + 1}::${(index + 1).toString(16)}`];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: `${node}-${index}`, uid: uidOf(kind, index), labels, resourceVersion: '1' },
    spec: {
      nodeName: node,
      containers: [{ name: 'main', image: 'none', ports: [{ name: 'web', containerPort: 8080 }] }],
    },
    status: { phase: 'Running', podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  };
}

/** Objects before the attack. Pods of `mean` have labels with which policies can select any of 2^5 combinations. */
export function* baseObjects(): Generator<object> {
  for (const name of [nodeName, 'worker-1']) {
    yield { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name, resourceVersion: '1' }, spec: {}, status: {} };
  }
  for (const name of ['mean', 'victim']) {
    const labels = { 'kubernetes.io/metadata.name': name };
    yield { apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: name, labels, resourceVersion: '1' } };
  }
  for (let i = 0; i < meanPods; i++) {
    const combination = Object.fromEntries(Array.from({ length: bits }, (_, bit) => [`b${bit}`, `${(i >> bit) & 1}`]));
    yield podObject('mean', i, nodeName, { app: 'mean', ...combination });
  }
  for (let i = 0; i < 5; i++) yield podObject('victim', i, nodeName, { app: `victim-${i}` });
  for (let i = 0; i < remotePods; i++) yield podObject('mean', i, 'worker-1', { app: `peer-${i}` });
  yield victimPolicy(0);
}

/** A different ingress policy of the first pod of `victim` for each number. */
export function victimPolicy(change: number): object {
  const from = [{ ipBlock: { cidr: `10.250.${change >> 8}.${change & 255}/32` } }];
  return policyObject('victim', 'changing', {
    podSelector: { matchLabels: { app: 'victim-0' } },
    ingress: [{ from, ports: [{ port: 443 }] }],
  });
}

export const victimAddress = '10.129.0.0';

export function policyObject(namespace: string, name: string, spec: object): object {
  const metadata = { namespace, name, uid: `${namespace}-${name}`, resourceVersion: '1', generation: 1 };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}
