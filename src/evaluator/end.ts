import type { Check, ResolvedFlow } from './check.ts';
import type { Cluster } from './cluster.ts';
import { describeTierRule, endOf, followed, matchTier, mayDeny, stepsOf } from './cluster-policy-tier.ts';
import type { Direction, End, Tier, TierRuleRef, TierSteps } from './decision.ts';
import { judgeNetworkPolicies } from './network-policy-tier.ts';
import type { Party } from './party.ts';
import type { Policy } from './policy.ts';

/** Judges egress at the source or ingress at the destination: tier by tier, until one decides (S0.3). */
export function judgeEnd(cluster: Cluster, direction: Direction, resolved: ResolvedFlow): End {
  const subject = direction === 'egress' ? resolved.source : resolved.destination;
  const exempt = exemption(direction, subject, resolved);
  if (exempt !== undefined) return unjudged(exempt);
  const applying = cluster.policies.selecting(subject.pod ? [subject.pod] : subject.claimants);
  const check: Check = { ...resolved, cluster, direction, subject };
  const ofTier = (tier: Tier): readonly Policy[] => applying.filter((policy) => policy.tier === tier);
  const ofCluster = applying.filter(({ tier }) => tier !== 'NetworkPolicy');
  const heldBack = isSelf(resolved) ? undefined : whyHeldBack(cluster, subject);
  if (heldBack !== undefined) return { ...unjudged(heldBack), verdict: 'denied', judged: true };
  if (ofCluster.length === 0)
    return (
      judgeMiddle(ofTier('NetworkPolicy'), check) ?? unjudged(`no policy isolates ${subject.name} for ${direction}`)
    );
  return subject.pod ? judgeInOrder(ofTier, check) : judgeContested(ofTier('NetworkPolicy'), ofCluster, check);
}

function judgeInOrder(ofTier: (tier: Tier) => readonly Policy[], check: Check): End {
  const [admin, baseline] = [matchTier(ofTier('Admin'), check), matchTier(ofTier('Baseline'), check)];
  const passedBy: TierRuleRef[] = [];
  if (admin.first && admin.first.action !== 'Pass') {
    const below = baseline.first ? [baseline.first] : [];
    return endOf(admin.first, stepsOf(passedBy, [...admin.later, ...below], admin.first));
  }
  if (admin.first) passedBy.push(admin.first);
  const middle = judgeMiddle(ofTier('NetworkPolicy'), check);
  const all = [admin.first, ...admin.later, baseline.first, ...baseline.later].filter((rule) => rule !== undefined);
  if (middle) {
    const over = all.filter((rule) => rule !== admin.first);
    return withSteps({ ...middle, reason: middle.reason + followed(passedBy) }, stepsOf(passedBy, over));
  }
  if (baseline.first && baseline.first.action !== 'Pass') {
    return endOf(baseline.first, stepsOf(passedBy, [...admin.later, ...baseline.later], baseline.first));
  }
  if (baseline.first) passedBy.push(baseline.first);
  const over = [...admin.later, ...baseline.later];
  const { subject, direction } = check;
  const reason =
    passedBy.length > 0
      ? `${passedBy.map(describeTierRule).join(' and ')} passed it on, and no policy isolates ${subject.name} for ${direction}`
      : `no rule of a ClusterNetworkPolicy matches, and no policy isolates ${subject.name} for ${direction}`;
  return withSteps({ ...unjudged(reason), judged: true }, stepsOf(passedBy, over));
}

/** What the tier of NetworkPolicies decides. A pod always reaches itself by them (S5.5). */
function judgeMiddle(policies: readonly Policy[], check: Check): End | undefined {
  const { subject, direction } = check;
  const isolated = policies.some(({ isolates }) => isolates.has(direction));
  if (isolated && isSelf(check))
    return { ...unjudged(`NetworkPolicies let a pod reach itself: ${subject.name}`), judged: true };
  return judgeNetworkPolicies(policies, check);
}

function withSteps(end: End, tiers: TierSteps): End {
  const isEmpty = tiers.passedBy.length + tiers.passedOver.length === 0;
  return isEmpty ? end : { ...end, tiers };
}

/** S1.10: no policy can allow anything to an address that several pods claim. */
function judgeContested(isolating: readonly Policy[], policies: readonly Policy[], check: Check): End {
  const middle = judgeMiddle(isolating, check);
  if (middle) return middle;
  const { subject, direction } = check;
  const names = subject.claimants.map((pod) => pod.key).join(' and ');
  const by = policies.filter((policy) => mayDeny(policy, direction)).map(({ ref }) => ref);
  if (by.length === 0) return unjudged(`no policy can deny ${subject.name} anything for ${direction}`);
  const reason = `${names} claim ${subject.name}, and ${by.join(', ')} can deny one of them something, so no rule allows it anything`;
  return { ...unjudged(reason), verdict: 'denied', judged: true };
}

/** S10.33: the labels of a namespace say which ClusterNetworkPolicies select its pods. */
export function whyHeldBack(cluster: Cluster, { name, pod, claimants }: Party): string | undefined {
  const owners = pod ? [pod] : claimants;
  const unknown = owners.find(({ namespace }) => !cluster.namespaceLabels.has(namespace));
  if (!unknown || !cluster.policies.all.some(({ tier }) => tier !== 'NetworkPolicy')) return undefined;
  return `namespace ${unknown.namespace} is not known, so Postern cannot tell which ClusterNetworkPolicies select ${name}`;
}

/** Why policies do not apply at this end; `undefined` if they do. */
function exemption(direction: Direction, subject: Party, resolved: ResolvedFlow): string | undefined {
  const { name } = subject;
  const owners = subject.pod ? [subject.pod] : subject.claimants;
  if (owners.length === 0) {
    return subject.node === undefined
      ? `${name} is outside the cluster: policies do not apply there`
      : `${name} is on the host network: policies do not apply to nodes and hostNetwork pods`;
  }
  if (isSelf(resolved) && !resolved.flow.throughService) return `a pod can always reach itself: ${name}`;
  // S5.1. Egress to the own node has no such exemption (S5.7).
  const { source } = resolved;
  const fromOwnNode =
    direction === 'ingress' && source.node !== undefined && owners.every((pod) => pod.nodeName === source.node);
  return fromOwnNode ? `${name} runs on node ${source.node}: a pod's own node can always reach it` : undefined;
}

function isSelf({ source, destination }: ResolvedFlow): boolean {
  const [from, to] = [source.address, destination.address];
  return from.family === to.family && from.value === to.value;
}

function unjudged(reason: string): End {
  return { verdict: 'allowed', judged: false, reason, isolatedBy: [], allowedBy: [], nearMisses: [] };
}
