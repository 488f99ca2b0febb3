import type { Link, NodeFact } from '../../src/model/cluster.ts';
import type { ApiObject } from './pipeline.ts';

/** Builders of API objects. `name` is `namespace/name`. */

export interface PodFields {
  readonly node?: string;
  readonly ips?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly { name: string; containerPort: number; protocol?: string }[];
  readonly uid?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  readonly leaving?: boolean;
  readonly mirrorOf?: string;
}

export interface SandboxFields {
  /** Default: the name of the pod, which is also its uid. */
  readonly id?: string;
  readonly uid?: string;
  readonly ips?: readonly string[];
  readonly link?: Link;
  readonly live?: boolean;
  readonly order?: number;
  readonly isAnnounced?: boolean;
}

export function pod(name: string, fields: PodFields = {}): ApiObject {
  const { node = 'n1', ips = [], labels = {}, ports = [], uid = name, phase = 'Running' } = fields;
  return {
    kind: 'Pod',
    metadata: {
      ...split(name),
      uid,
      labels,
      ...(fields.leaving ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(fields.mirrorOf ? { annotations: { 'kubernetes.io/config.mirror': fields.mirrorOf } } : {}),
    },
    spec: { nodeName: node, hostNetwork: fields.hostNetwork ?? false, containers: [{ name: 'main', ports }] },
    status: { phase, podIPs: ips.map((ip) => ({ ip })) },
  };
}

export function policy(name: string, spec: unknown): ApiObject {
  return { kind: 'NetworkPolicy', metadata: { ...split(name), uid: name }, spec };
}

/** @param spec a policy of the Admin tier with priority 10 for all pods, unless it says otherwise */
export function clusterPolicy(name: string, spec: object): ApiObject {
  const all = { tier: 'Admin', priority: 10, subject: { namespaces: {} } };
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name, uid: `cluster-policy-${name}` },
    spec: { ...all, ...spec },
  };
}

export function isPolicy({ kind }: ApiObject): boolean {
  return kind === 'NetworkPolicy';
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): ApiObject {
  return { kind: 'Namespace', metadata: { name, uid: name, labels } };
}

export function node(name: string, ...addresses: readonly string[]): ApiObject {
  return {
    kind: 'Node',
    metadata: { name, uid: name },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

/** The fact about a pod's sandbox. */
export function sandbox(pod: string, fields: SandboxFields = {}): NodeFact & { op: 'sandbox' } {
  const { id = pod, uid = pod, ips = [], link, live = true, order = 1 } = fields;
  const value = { id, ...split(pod), uid, addresses: ips, link, live, order };
  return { op: 'sandbox', id, value: fields.isAnnounced ? { ...value, isAnnounced: true } : value };
}

export function endOf({ id }: NodeFact & { op: 'sandbox' }): NodeFact {
  return { op: 'sandbox', id, value: undefined };
}

function split(name: string): { namespace: string; name: string } {
  const [space, own] = name.split('/') as [string, string];
  return { namespace: space, name: own };
}
