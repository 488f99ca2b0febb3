import type { ApiObject } from '../../src/lab/api/object.ts';

interface PolicySpec {
  readonly pods?: Readonly<Record<string, string>>;
  /** The rules of a direction. Without a list it is not in `policyTypes`. */
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

/** Selects every pod of the namespace unless `pods` says which labels they have. */
export function policy(namespace: string, name: string, { pods = {}, ...directions }: PolicySpec): ApiObject {
  const policyTypes = [...(directions.ingress ? ['Ingress'] : []), ...(directions.egress ? ['Egress'] : [])];
  const spec = { podSelector: { matchLabels: pods }, policyTypes, ...directions };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}

/** Of the Admin tier with priority 10 for all pods, unless the fields say otherwise. */
export function clusterPolicy(name: string, fields: object): ApiObject {
  const spec = { tier: 'Admin', priority: 10, subject: { namespaces: {} }, ...fields };
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec };
}

/** `TCP/80`, or `TCP/80-90`. */
export function port(text: string): object {
  const [, protocol, first, last] = /^(TCP|UDP|SCTP)\/([a-z0-9]+)(?:-([0-9]+))?$/.exec(text)!;
  const number = /^[0-9]+$/.test(first!) ? Number(first) : first;
  return { protocol, port: number, ...(last !== undefined && { endPort: Number(last) }) };
}

/** Pods with these labels in namespaces with those. */
export function pods(
  labels: Readonly<Record<string, string>>,
  namespaceLabels: Readonly<Record<string, string>> = {},
): object {
  return { podSelector: { matchLabels: labels }, namespaceSelector: { matchLabels: namespaceLabels } };
}

export function block(cidr: string): object {
  return { ipBlock: { cidr } };
}
