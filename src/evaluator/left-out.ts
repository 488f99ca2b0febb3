import type { Cluster } from './cluster.ts';
import { mayDeny } from './cluster-policy-tier.ts';
import type { Direction, PolicyRef } from './decision.ts';
import type { Policy, Rule } from './policy.ts';
import { PolicyIndex } from './policy-index.ts';

/**
 * The cluster as a node enforces it that leaves out the rules of policies. What such a NetworkPolicy would allow is not allowed (S9.10). A ClusterNetworkPolicy
 * denies everything in each direction in which it denies or passes anything (S10.23).
 * @param leftOut by policy, why: a sentence that ends a reason
 */
export function leaveOut(cluster: Cluster, leftOut: ReadonlyMap<PolicyRef, string>): Cluster {
  if (leftOut.size === 0) return cluster;
  const { policies, namespaceLabels } = cluster;
  const enforced = policies.all.map((policy): Policy => {
    const why = leftOut.get(policy.ref);
    if (why === undefined) return policy;
    if (policy.tier === 'NetworkPolicy') return { ...policy, leftOut: why };
    const rules = { ingress: closing(policy, 'ingress'), egress: closing(policy, 'egress') };
    return { ...policy, leftOut: why, rules };
  });
  return { ...cluster, policies: new PolicyIndex(enforced, namespaceLabels) };
}

/** Without the rules that deny or pass, later ones could accept what they deny. */
function closing(policy: Policy, direction: Direction): readonly Rule[] {
  if (!mayDeny(policy, direction)) return [];
  return [{ index: 0, path: 'spec', action: 'Deny', peers: 'any', ports: 'any', broken: undefined }];
}
