import { textOf, type Cluster } from '../../evaluator/cluster.ts';
import type { Pod } from '../../evaluator/party.ts';
import { numberAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import type { PolicyVersion } from '../../model/node-policies.ts';
import { isOfCluster, nameOfPolicy, type PolicyId } from '../../model/policy.ts';

/** A policy as the API server has it, with the pods that it selects. */
export interface WantedPolicy extends PolicyVersion {
  readonly id: PolicyId;
  readonly object: JsonObject;
  /** The user means another version than the API server has. */
  readonly isOtherVersion?: true;
  /** Pods on nodes that policies can isolate. A pod that no node has yet, or that has ended, is in neither list. */
  readonly pods: readonly WantedPod[];
  /** Pods on the network of their node: policies do not apply to them (S1.3). */
  readonly onHostNetwork: readonly Pick<WantedPod, 'pod' | 'node'>[];
  /** Parts that Postern cannot enforce as written, as sentences. */
  readonly issues: readonly string[];
  /** Why no node enforces the policy; missing if they do. */
  readonly notEnforced?: string;
}

export interface WantedPod {
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  readonly node: string;
  readonly addresses: readonly string[];
}

/** The id of a NetworkPolicy or ClusterNetworkPolicy object. */
export function idOf(object: JsonObject): PolicyId {
  const name = textAt(object, 'metadata', 'name') ?? '';
  return object['kind'] === 'ClusterNetworkPolicy'
    ? `/${name}`
    : `${textAt(object, 'metadata', 'namespace') ?? 'default'}/${name}`;
}

/**
 * All policies of the cluster by id.
 * @param objects raw objects of the API server, of which `cluster` was made
 */
export function wantedPolicies(objects: readonly JsonObject[], cluster: Cluster): Map<PolicyId, WantedPolicy> {
  const uids = new Map<string, string>();
  const wanted = new Map<PolicyId, Mutable>();
  const byRef = new Map<string, Mutable>();
  for (const object of objects) {
    const { kind } = object;
    if (kind === 'Pod') uids.set(nameOf(object), textAt(object, 'metadata', 'uid') ?? '');
    if (kind !== 'NetworkPolicy' && kind !== 'ClusterNetworkPolicy') continue;
    const id = idOf(object);
    const uid = textAt(object, 'metadata', 'uid') ?? '';
    const generation = numberAt(objectAt(object, 'metadata'), 'generation') ?? 0;
    const resourceVersion = isOfCluster(id) ? undefined : textAt(object, 'metadata', 'resourceVersion');
    const version = { uid, generation, ...(resourceVersion !== undefined && { resourceVersion }) };
    const policy: Mutable = { id, object, ...version, pods: [], onHostNetwork: [], issues: [] };
    wanted.set(id, policy);
    byRef.set(nameOfPolicy(id), policy);
  }
  for (const { object, path, message, effect } of cluster.issues) {
    const policy = byRef.get(object.replace(/^NetworkPolicy /, ''));
    if (!policy) continue;
    policy.issues.push(`${path}: ${message}`);
    if (effect === 'not-enforced') policy.notEnforced ??= `${path}: ${message}`;
  }
  for (const { ref } of cluster.audited) {
    const policy = byRef.get(ref);
    if (policy) policy.notEnforced = 'it is in audit: postern audit lists what it would deny';
  }
  for (const pod of cluster.pods.values()) {
    const { nodeName: node, terminal, hostNetwork } = pod;
    if (node === undefined || terminal) continue;
    const policies = cluster.policies.selecting([pod]);
    if (policies.length === 0) continue;
    const selected = { pod: pod.key, uid: uids.get(pod.key) ?? '', node, addresses: addressesOf(pod) };
    for (const { ref } of policies) byRef.get(ref)?.[hostNetwork ? 'onHostNetwork' : 'pods'].push(selected);
  }
  return wanted;
}

type Mutable = { -readonly [Key in keyof WantedPolicy]: WantedPolicy[Key] } & {
  pods: WantedPod[];
  onHostNetwork: WantedPod[];
  issues: string[];
};

function nameOf(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? 'default'}/${textAt(object, 'metadata', 'name') ?? ''}`;
}

function addressesOf(pod: Pod): string[] {
  return pod.addresses.map(textOf);
}
