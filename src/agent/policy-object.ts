import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import type { PolicyId } from '../model/policy.ts';

/** The API object of a policy. A policy without a namespace is a ClusterNetworkPolicy. */
export function policyObject(id: PolicyId): { readonly resource: ResourceName; readonly key: ObjectKey } {
  return id.startsWith('/')
    ? { resource: 'clusternetworkpolicies', key: id.slice(1) }
    : { resource: 'networkpolicies', key: id };
}
