import type { Check, Meeting } from './check.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End } from './decision.ts';
import { judgeNetworkPolicies } from './network-policy-tier.ts';
import type { Party } from './party.ts';
import type { Policy, Tier } from './policy.ts';
import { policiesOf } from './subject.ts';

/** In the order in which they judge. `undefined`: the policies of this tier do not decide, so the next tier does. */
const tiers: readonly {
  readonly tier: Tier;
  readonly judge: (policies: readonly Policy[], check: Check) => End | undefined;
}[] = [{ tier: 'NetworkPolicy', judge: judgeNetworkPolicies }];

/** Judges egress at the source or ingress at the destination. */
export function judgeEnd(cluster: Cluster, direction: Direction, meeting: Meeting): End {
  const subject = direction === 'egress' ? meeting.source : meeting.destination;
  const exempt = exemption(direction, subject, meeting);
  if (exempt !== undefined) return unjudged(exempt);
  const applying = policiesOf(cluster.policies, subject.pod ? [subject.pod] : subject.claimants);
  for (const { tier, judge } of tiers) {
    const policies = applying.filter((policy) => policy.tier === tier);
    const end = judge(policies, { ...meeting, cluster, direction, subject });
    if (end) return end;
  }
  return unjudged(`no policy isolates ${subject.name} for ${direction}`);
}

/** Why policies have no say at this end, if they have none. */
function exemption(direction: Direction, subject: Party, { source, destination }: Meeting): string | undefined {
  const { name } = subject;
  const owners = subject.pod ? [subject.pod] : subject.claimants;
  if (owners.length === 0) {
    return subject.node === undefined
      ? `${name} is outside the cluster: policies have no say there`
      : `${name} is a node's own network: policies do not apply to nodes and hostNetwork pods`;
  }
  const { address } = source;
  if (address.family === destination.address.family && address.value === destination.address.value) {
    return `${name} reaches itself: never blocked`;
  }
  // S5.1. The other way round there is no exemption: egress to the own node is judged (S5.7).
  const fromOwnNode =
    direction === 'ingress' && source.node !== undefined && owners.every((pod) => pod.nodeName === source.node);
  return fromOwnNode ? `${source.node} is the node that ${name} runs on: always allowed in` : undefined;
}

function unjudged(reason: string): End {
  return { verdict: 'allowed', judged: false, reason, isolatedBy: [], allowedBy: [], nearMisses: [] };
}
