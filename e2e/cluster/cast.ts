import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { program } from '../../src/lab/pod-process.ts';

/** Initial pods of each test: a, b and c in namespaces x, y and z, each with a Service, as in upstream's suite. */
export const castNamespaces = ['x', 'y', 'z'] as const;
const castNames = ['a', 'b', 'c'] as const;

/** Namespace of the suite's own pods: a hostNetwork pod per node, and the canaries. */
export const suiteNamespace = 'postern-e2e';
export const ownerAnnotation = 'e2e.postern.dev/made-by-the-suite';

/** Mount path of the probe program in pods. */
export const programPath = '/postern-pod';
const programName = 'postern-pod';

/** Ports of hostNetwork pods. Other programs of the node may use the usual numbers. */
export const nodePorts = { tcp: 29_100, udp: 29_053 };

export interface PodFields {
  readonly node: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `TCP/80`, or `TCP/80/http` with a name. */
  readonly ports: readonly string[];
  readonly spec?: object;
  readonly container?: object;
}

/** Index of the pod's node. Every namespace has pods on both nodes. */
export function nodeIndexOf(namespace: string, name: string): 0 | 1 {
  if (name === 'c') return namespace === 'y' ? 1 : 0;
  return name === 'b' ? 1 : 0;
}

export const castPorts = ['TCP', 'UDP', 'SCTP'].flatMap((protocol) =>
  [80, 81].map((port) => `${protocol}/${port}/serve-${port}-${protocol.toLowerCase()}`),
);

function castPod(namespace: string, name: string, nodes: readonly [string, string], image: string): ApiObject {
  const node = nodes[nodeIndexOf(namespace, name)];
  return probePod(`${namespace}/${name}`, { node, labels: { pod: name }, ports: castPorts }, image);
}

export function castObjects(nodes: readonly [string, string], image: string): ApiObject[] {
  const pods = castNamespaces.flatMap((namespace) => castNames.map((name) => castPod(namespace, name, nodes, image)));
  return [
    ...pods.flatMap((pod) => [pod, serviceOf(pod)]),
    ...nodes.map((node, index) => {
      const ports = [`TCP/${nodePorts.tcp}`, `UDP/${nodePorts.udp}`];
      return probePod(nodePod(index), { node, ports, spec: { hostNetwork: true } }, image);
    }),
  ];
}

/** The hostNetwork pod on one of the two nodes. */
export function nodePod(index: number): string {
  return `${suiteNamespace}/node-${index + 1}`;
}

/** An idle pod; the suite runs the probe program in it (targets/cluster-target.ts). */
export function probePod(
  key: string,
  { node, labels = {}, ports, spec, container }: PodFields,
  image: string,
): ApiObject {
  const [namespace, name] = key.split('/') as [string, string];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      nodeName: node,
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      volumes: [{ name: programName, configMap: { name: programName } }],
      ...spec,
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['python3', '-c', 'import signal; signal.pause()'],
          ports: ports.map(containerPort),
          volumeMounts: [{ name: programName, mountPath: programPath, readOnly: true }],
          ...container,
        },
      ],
    },
  };
}

/** A namespace, with the ConfigMap of the probe program. */
export function namespaceObjects(name: string, labels: Readonly<Record<string, string>>): ApiObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { ...labels }, annotations: { [ownerAnnotation]: 'yes' } },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: name, name: programName }, data: programFiles() },
  ];
}

/** The Service of one initial pod: its ports, and no other pod. */
export function serviceOf({ metadata: { namespace, name, labels }, spec }: ApiObject): ApiObject {
  const [{ ports }] = (spec as { containers: [{ ports: { name: string; protocol: string; containerPort: number }[] }] })
    .containers;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: namespace!, name: name! },
    spec: {
      ipFamilyPolicy: 'PreferDualStack',
      selector: { pod: labels!['pod']! },
      ports: ports.map((each) => ({
        name: each.name,
        protocol: each.protocol,
        port: each.containerPort,
        targetPort: each.containerPort,
      })),
    },
  };
}

function containerPort(text: string): object {
  const [protocol, port, name] = text.split('/') as [string, string, string?];
  return { protocol, containerPort: Number(port), ...(name !== undefined && { name }) };
}

function programFiles(): Record<string, string> {
  const files = readdirSync(program).filter((name) => name.endsWith('.py'));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(program, name), 'utf8')]));
}
