import type { Check, ResolvedFlow } from './check.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End } from './decision.ts';
import { judgeNetworkPolicies } from './network-policy-tier.ts';
import type { Party } from './party.ts';
import type { Policy, Tier } from './policy.ts';

/** In the order in which they judge. `undefined`: the policies of this tier do not decide, so the next tier does. */
const tiers: readonly {
  readonly tier: Tier;
  readonly judge: (policies: readonly Policy[], check: Check) => End | undefined;
}[] = [{ tier: 'NetworkPolicy', judge: judgeNetworkPolicies }];

/** Judges egress at the source or ingress at the destination. */
export function judgeEnd(cluster: Cluster, direction: Direction, resolved: ResolvedFlow): End {
  const subject = direction === 'egress' ? resolved.source : resolved.destination;
  const exempt = exemption(direction, subject, resolved);
  if (exempt !== undefined) return unjudged(exempt);
  const applying = cluster.policies.selecting(subject.pod ? [subject.pod] : subject.claimants);
  for (const { tier, judge } of tiers) {
    const policies = applying.filter((policy) => policy.tier === tier);
    const end = judge(policies, { ...resolved, cluster, direction, subject });
    if (end) return end;
  }
  return unjudged(`no policy isolates ${subject.name} for ${direction}`);
}

/** Why policies do not apply at this end; `undefined` if they do. */
function exemption(direction: Direction, subject: Party, { source, destination }: ResolvedFlow): string | undefined {
  const { name } = subject;
  const owners = subject.pod ? [subject.pod] : subject.claimants;
  if (owners.length === 0) {
    return subject.node === undefined
      ? `${name} is outside the cluster: policies do not apply there`
      : `${name} is on the host network: policies do not apply to nodes and hostNetwork pods`;
  }
  const { address } = source;
  if (address.family === destination.address.family && address.value === destination.address.value) {
    return `a pod can always reach itself: ${name}`;
  }
  // S5.1. Egress to the own node has no such exemption (S5.7).
  const fromOwnNode =
    direction === 'ingress' && source.node !== undefined && owners.every((pod) => pod.nodeName === source.node);
  return fromOwnNode ? `${name} runs on node ${source.node}: a pod's own node can always reach it` : undefined;
}

function unjudged(reason: string): End {
  return { verdict: 'allowed', judged: false, reason, isolatedBy: [], allowedBy: [], nearMisses: [] };
}
