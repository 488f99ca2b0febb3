import type { ClusterPolicy } from '../../../src/agent/status/cluster-policies.ts';
import type { Coverage } from '../../../src/agent/status/coverage.ts';
import { clusterNetworkPolicyKind } from '../../../src/kinds/cluster-network-policy.ts';

/** A ClusterNetworkPolicy as the agent knows it, read from this spec. */
export function clusterPolicy(name: string, spec: object = {}, others: Partial<ClusterPolicy> = {}): ClusterPolicy {
  const whole = { tier: 'Admin', priority: 1, subject: { namespaces: {} }, ...spec };
  const { policy, issues } = clusterNetworkPolicyKind.parse({ metadata: { name }, spec: whole });
  const version = { uid: `uid of ${name}`, generation: 1, resourceVersion: '1' };
  return { name, ...version, policy, issues, conditions: [], ...others };
}

const none = { count: 0, first: [] };

/** All nodes hold it. */
export function everywhere(nodes: number): Coverage {
  return { nodes, lagging: none, leftOut: none };
}
