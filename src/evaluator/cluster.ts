import { isJsonObject, listAt, objectAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { formatAddress, parseAddress } from '../model/address.ts';
import type { Address } from '../model/address.ts';
import type { Issue } from '../model/issue.ts';
import type { ContainerPort, Node, Pod } from './party.ts';
import type { PeerScope } from './peer.ts';
import { isPortNumber, readProtocol } from './port.ts';
import { readClusterPolicy } from './cluster-policy.ts';
import { readPolicy, type Policy } from './policy.ts';
import { PolicyIndex } from './policy-index.ts';
import type { Labels } from './selector.ts';

/** API objects, read once and ready for many flows. */
export interface Cluster extends Omit<PeerScope, 'namespace'> {
  /** `part`: objects are missing, so an address that no given object has may still belong to a pod or a node. */
  readonly shows: 'whole' | 'part';
  readonly pods: ReadonlyMap<string, Pod>;
  /** The policies that are enforced. */
  readonly policies: PolicyIndex;
  /** The NetworkPolicies in audit (S13.1). */
  readonly audited: readonly Policy[];
  /** Address as text -> the pod that owns it, or all pods that claim it with equal right (S1.9, S1.10). */
  readonly claimants: ReadonlyMap<string, readonly Pod[]>;
  /** Address as text -> the node that has it. */
  readonly nodeAddresses: ReadonlyMap<string, string>;
  /** Invalid parts, each with its object: `NetworkPolicy shop/web`. */
  readonly issues: readonly (Issue & { readonly object: string })[];
}

/** Reads Pods, Namespaces, Nodes, NetworkPolicies and ClusterNetworkPolicies, and skips other kinds. Of two objects with one name the last counts. */
export function prepareCluster(objects: Iterable<JsonObject>, shows: Cluster['shows'] = 'whole'): Cluster {
  const issues: (Issue & { object: string })[] = [];
  const pods = new Map<string, Pod>();
  const nodes = new Map<string, Node>();
  const namespaceLabels = new Map<string, Labels>();
  const rawPolicies = new Map<string, JsonObject>();
  const rawClusterPolicies = new Map<string, JsonObject>();
  for (const object of objects) {
    const name = textAt(object, 'metadata', 'name') ?? '';
    const key = `${textAt(object, 'metadata', 'namespace') ?? 'default'}/${name}`;
    if (isKind(object, 'Pod', 'v1')) pods.set(key, readPod(object));
    else if (isKind(object, 'Namespace', 'v1')) namespaceLabels.set(name, readLabels(object));
    else if (isKind(object, 'Node', 'v1')) nodes.set(name, readNode(object));
    else if (isKind(object, 'NetworkPolicy', 'networking.k8s.io/v1')) rawPolicies.set(key, object);
    else if (isClusterPolicy(object)) rawClusterPolicies.set(name, object);
  }
  const policies = [...rawPolicies].map(([key, object]) =>
    readPolicy(object, (issue) => issues.push({ ...issue, object: `NetworkPolicy ${key}` })),
  );
  const clusterPolicies = [...rawClusterPolicies].flatMap(([name, object]) => {
    const read = readClusterPolicy(object, (issue) =>
      issues.push({ ...issue, object: `ClusterNetworkPolicy ${name}` }),
    );
    return read ?? [];
  });
  const nodeAddresses = new Map<string, string>();
  for (const node of nodes.values()) {
    for (const address of node.addresses) nodeAddresses.set(textOf(address), node.name);
  }
  const claimants = resolveClaims(pods.values(), nodeAddresses, (pod, issue) =>
    issues.push({ ...issue, object: `Pod ${pod.key}`, path: 'status.podIPs' }),
  );
  for (const pod of pods.values()) {
    if (!pod.hostNetwork || pod.terminal || pod.nodeName === undefined) continue;
    for (const address of pod.addresses) {
      const text = textOf(address);
      if (!nodeAddresses.has(text) && !claimants.has(text)) nodeAddresses.set(text, pod.nodeName);
    }
  }
  return {
    shows,
    pods,
    nodes,
    nodesAt: Map.groupBy(
      nodes.values().flatMap((node) => node.addresses.map((address) => ({ node, text: textOf(address) }))),
      ({ text }) => text,
    ),
    namespaceLabels,
    policies: new PolicyIndex([...policies.filter(({ isAudited }) => !isAudited), ...clusterPolicies], namespaceLabels),
    audited: policies.filter(({ isAudited }) => isAudited),
    claimants,
    nodeAddresses,
    issues,
  };
}

/** The cluster as it would be if the policies in audit were enforced. */
export function enforceAudits(cluster: Cluster): Cluster {
  const { audited, policies, namespaceLabels } = cluster;
  return { ...cluster, audited: [], policies: new PolicyIndex([...policies.all, ...audited], namespaceLabels) };
}

export function textOf(address: Address): string {
  return formatAddress(address.family, address.value);
}

/** Compares the apiVersion too: other API groups also have a NetworkPolicy. Entries of a typed list have no apiVersion. */
function isKind(object: JsonObject, kind: string, apiVersion: string): boolean {
  return object['kind'] === kind && (object['apiVersion'] ?? apiVersion) === apiVersion;
}

/** Of any version: all served versions have the same fields so far, and what a later one adds counts as unknown (S10.20). */
function isClusterPolicy(object: JsonObject): boolean {
  const version = textAt(object, 'apiVersion');
  return object['kind'] === 'ClusterNetworkPolicy' && (version?.startsWith('policy.networking.k8s.io/') ?? true);
}

/** Pods that can own an address: S1.3, S1.4, S1.12. A pod that is not terminating wins over a terminating one (S1.9). */
function resolveClaims(
  pods: Iterable<Pod>,
  nodeAddresses: ReadonlyMap<string, string>,
  report: (pod: Pod, issue: Omit<Issue, 'path'>) => void,
): Map<string, readonly Pod[]> {
  const claims = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (pod.hostNetwork || pod.terminal) continue;
    for (const text of new Set(pod.addresses.map(textOf))) {
      const node = nodeAddresses.get(text);
      if (node !== undefined) {
        report(pod, { code: 'node-address', message: `${text} is an address of node ${node}`, effect: 'ignored' });
        continue;
      }
      const others = claims.get(text);
      if (others) others.push(pod);
      else claims.set(text, [pod]);
    }
  }
  const resolved = new Map<string, readonly Pod[]>();
  for (const [text, claimants] of claims) {
    const staying = claimants.filter((pod) => !pod.terminating);
    const tied = staying.length > 0 ? staying : claimants;
    resolved.set(text, tied);
    if (tied.length === 1) continue;
    for (const pod of tied) {
      const others = tied.filter((other) => other !== pod).map((other) => other.key);
      const message = `${others.join(' and ')} also ${others.length === 1 ? 'claims' : 'claim'} ${text}`;
      report(pod, { code: 'contested-address', message, effect: 'failed-closed' });
    }
  }
  return resolved;
}

function readPod(object: JsonObject): Pod {
  const namespace = textAt(object, 'metadata', 'namespace') ?? 'default';
  const phase = textAt(object, 'status', 'phase');
  const deletion = objectAt(object, 'metadata')['deletionTimestamp'];
  return {
    key: `${namespace}/${textAt(object, 'metadata', 'name') ?? ''}`,
    namespace,
    labels: readLabels(object),
    nodeName: textAt(object, 'spec', 'nodeName') || undefined,
    hostNetwork: objectAt(object, 'spec')['hostNetwork'] === true,
    terminal: phase === 'Succeeded' || phase === 'Failed',
    terminating: deletion !== undefined && deletion !== null,
    addresses: readAddresses(listAt(object, 'status', 'podIPs').map((each) => textAt(each, 'ip'))),
    namedPorts: readNamedPorts(object),
  };
}

function readNode(object: JsonObject): Node {
  const addresses = listAt(object, 'status', 'addresses').map((each) => textAt(each, 'address'));
  return {
    name: textAt(object, 'metadata', 'name') ?? '',
    labels: readLabels(object),
    addresses: readAddresses(addresses),
  };
}

/** S4.10: containers, and init containers that keep running (sidecars). */
function readNamedPorts(object: JsonObject): ContainerPort[] {
  const sidecars = listAt(object, 'spec', 'initContainers').filter(
    (container) => textAt(container, 'restartPolicy') === 'Always',
  );
  const ports: ContainerPort[] = [];
  for (const container of [...listAt(object, 'spec', 'containers'), ...sidecars]) {
    for (const raw of listAt(container, 'ports')) {
      if (!isJsonObject(raw)) continue;
      const { name, containerPort } = raw;
      const protocol = readProtocol(raw['protocol']);
      if (typeof name !== 'string' || name === '' || !protocol || !isPortNumber(containerPort)) continue;
      ports.push({ name, protocol, port: containerPort });
    }
  }
  return ports;
}

function readLabels(object: JsonObject): Labels {
  const entries = Object.entries(objectAt(object, 'metadata', 'labels'));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function readAddresses(texts: readonly (string | undefined)[]): Address[] {
  return texts
    .map((text) => (text === undefined ? undefined : parseAddress(text)))
    .filter((address) => address !== undefined);
}
