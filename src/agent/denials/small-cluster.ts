import type { JsonObject } from '../../lib/json.ts';
import type { Namespace, Node, Pod } from '../../model/cluster.ts';
import type { Owners } from '../../model/owner.ts';

/** Builds the API objects that the evaluator needs for one connection: its two ends and the policies. */
export function smallCluster(ends: readonly Owners[], policies: readonly JsonObject[]): JsonObject[] {
  return [
    ...ends.flatMap(({ pods }) =>
      pods.flatMap(({ pod, namespace }) => [podObject(pod), ...namespaceObjects(namespace)]),
    ),
    ...ends.flatMap(({ nodes }) => nodes.map(nodeObject)),
    // The evaluator needs apiVersion and kind. The API server omits them in lists.
    ...policies.map((policy) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...policy })),
  ];
}

function podObject({ namespace, name, uid, labels, nodeName, terminating, addresses, ports }: Pod): JsonObject {
  const containerPorts = ports.map(({ name: portName, protocol, port }) => ({
    name: portName,
    protocol,
    containerPort: port,
  }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, uid, labels, ...(terminating && { deletionTimestamp: '1970-01-01T00:00:00Z' }) },
    spec: { nodeName, containers: [{ name, ports: containerPorts }] },
    status: { phase: 'Running', podIPs: addresses.map((ip) => ({ ip })) },
  };
}

function namespaceObjects(namespace: Namespace | undefined): JsonObject[] {
  if (!namespace) return [];
  const { name, labels } = namespace;
  return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }];
}

function nodeObject({ name, addresses }: Node): JsonObject {
  const status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status };
}
