import type { ApiObject } from './object.ts';
import { fieldAt, isJsonObject, listAt, objectAt, textAt } from './object.ts';
import type { ResourceName } from './resources.ts';

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
  readonly value: (object: ApiObject) => string | number;
}

/** Columns between name and age. */
export const columns: Partial<Record<ResourceName, readonly Column[]>> = {
  pods: [
    { name: 'Ready', value: readyContainers },
    { name: 'Status', value: podStatus },
    { name: 'Restarts', value: restarts },
  ],
  namespaces: [{ name: 'Status', value: (namespace) => textAt(namespace, 'status', 'phase') ?? '' }],
  nodes: [
    { name: 'Status', value: nodeStatus },
    { name: 'Roles', value: () => '<none>' },
  ],
  services: [
    { name: 'Type', value: (service) => textAt(service, 'spec', 'type') ?? '' },
    { name: 'Cluster-IP', value: (service) => textAt(service, 'spec', 'clusterIP') ?? '<none>' },
    { name: 'External-IP', value: (service) => joined(listAt(service, 'spec', 'externalIPs')) },
    { name: 'Port(s)', value: servicePorts },
  ],
  networkpolicies: [
    { name: 'Pod-Selector', value: (policy) => formatSelector(objectAt(policy, 'spec', 'podSelector')) },
  ],
  clusternetworkpolicies: [
    { name: 'Tier', value: (policy) => textAt(policy, 'spec', 'tier') ?? '' },
    { name: 'Priority', value: (policy) => String(objectAt(policy, 'spec')?.['priority'] ?? '') },
  ],
  deployments: [{ name: 'Ready', value: readyReplicas }],
  statefulsets: [{ name: 'Ready', value: readyReplicas }],
};

/** Columns after the age. */
export const wideColumns: Partial<Record<ResourceName, readonly Column[]>> = {
  pods: [
    {
      name: 'IP',
      wide: true,
      value: (pod) => joined(listAt(pod, 'status', 'podIPs').map((each) => textAt(each, 'ip'))),
    },
    { name: 'Node', wide: true, value: (pod) => textAt(pod, 'spec', 'nodeName') || '<none>' },
  ],
  nodes: [{ name: 'Internal-IP', wide: true, value: internalAddresses }],
  services: [{ name: 'Selector', wide: true, value: (service) => formatLabels(objectAt(service, 'spec', 'selector')) }],
};

function readyContainers(pod: ApiObject): string {
  const statuses = listAt(pod, 'status', 'containerStatuses');
  const ready = statuses.filter((each) => fieldAt(each, 'ready') === true).length;
  return `${ready}/${listAt(pod, 'spec', 'containers').length}`;
}

function podStatus(pod: ApiObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating';
  const waiting = listAt(pod, 'status', 'containerStatuses').map((each) => textAt(each, 'state', 'waiting', 'reason'));
  const why = textAt(pod, 'status', 'reason') ?? waiting.find((each) => each !== undefined);
  const phase = textAt(pod, 'status', 'phase') ?? '';
  return why ?? (phase === 'Succeeded' ? 'Completed' : phase);
}

function restarts(pod: ApiObject): number {
  const counts = listAt(pod, 'status', 'containerStatuses').map((each) => Number(fieldAt(each, 'restartCount') ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

function nodeStatus(node: ApiObject): string {
  const ready = listAt(node, 'status', 'conditions').find((each) => textAt(each, 'type') === 'Ready');
  return textAt(ready, 'status') === 'True' ? 'Ready' : ready ? 'NotReady' : 'Unknown';
}

function internalAddresses(node: ApiObject): string {
  const addresses = listAt(node, 'status', 'addresses').filter((each) => textAt(each, 'type') === 'InternalIP');
  return joined(addresses.map((each) => textAt(each, 'address')));
}

function servicePorts(service: ApiObject): string {
  const ports = listAt(service, 'spec', 'ports');
  return joined(ports.map((port) => `${String(fieldAt(port, 'port'))}/${textAt(port, 'protocol')}`));
}

function readyReplicas(workload: ApiObject): string {
  return `${Number(fieldAt(workload, 'status', 'readyReplicas') ?? 0)}/${Number(fieldAt(workload, 'spec', 'replicas') ?? 0)}`;
}

function formatLabels(labels: unknown): string {
  return isJsonObject(labels)
    ? joined(Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`))
    : '<none>';
}

function formatSelector(selector: unknown): string {
  const equal = Object.entries(objectAt(selector, 'matchLabels') ?? {}).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  const expressions = listAt(selector, 'matchExpressions').map((each) => {
    const key = textAt(each, 'key') ?? '';
    const operator = textAt(each, 'operator');
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${listAt(each, 'values').join(',')})`;
  });
  return joined([...equal, ...expressions]);
}

function joined(parts: readonly unknown[]): string {
  return parts.length === 0 ? '<none>' : parts.join(',');
}
