import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import { isOfCluster, type PolicyId } from '../model/policy.ts';

/** The API object of a policy. A policy without a namespace is a ClusterNetworkPolicy. */
export function policyObject(id: PolicyId): { readonly resource: ResourceName; readonly key: ObjectKey } {
  return isOfCluster(id)
    ? { resource: 'clusternetworkpolicies', key: id.slice(1) }
    : { resource: 'networkpolicies', key: id };
}

/** What becomes of a policy whose rules are left out of the rule set (S9.10, S10.23). */
export function describeLeftOut(id: PolicyId): string {
  return isOfCluster(id)
    ? 'in each direction in which it has a Deny or Pass rule, its pods have no network, and its Accept rules are not programmed'
    : 'its pods stay isolated and its allow rules are not programmed';
}
