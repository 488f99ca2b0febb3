import type { ResourceEvent } from '../../src/model/cluster.ts';
import { clusterPolicyObject } from '../cluster/cluster-policies.ts';
import { upsert } from '../cluster/events.ts';

export const guardCounts = [0, 10, 100, 1_000] as const;

const actions = ['Deny', 'Accept', 'Pass'] as const;

/**
 * ClusterNetworkPolicies of both tiers that select every pod, each with a priority of its own. In turn they deny, accept and pass. The first twelve, which have
 * every action in both tiers, are for all ports; each of the others has a port of its own. The traffic of the benches is for NetworkPolicies to decide: no
 * rule matches it but those of the last policy of Admin, which passes everything.
 */
export function guards(count: number): ResourceEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 2 + (count % 2);
    const tier = index % 2 === 0 ? 'Admin' : 'Baseline';
    const action = actions[index % 3];
    const pods = { pods: { podSelector: { matchLabels: { app: `app-${1 + (index % 14)}` } } } };
    const networks = { networks: [`198.${18 + (index >> 8)}.${index & 255}.0/24`] };
    const protocols = index < 12 ? {} : { protocols: [{ tcp: { destinationPort: { number: 20_000 + index } } }] };
    const everyone = { pods: { podSelector: {} } };
    const spec = {
      tier,
      priority: index,
      subject: { namespaces: {} },
      ingress: [isLast ? { action: 'Pass', from: [everyone] } : { action, from: [pods], ...protocols }],
      egress: [isLast ? { action: 'Pass', to: [everyone] } : { action, to: [networks, pods], ...protocols }],
    };
    return upsert(clusterPolicyObject(`guard-${index}`, spec));
  });
}
