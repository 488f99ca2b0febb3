import type { Check } from './check.ts';
import type { Direction, End, NearMiss, RuleRef } from './decision.ts';
import { findNearMisses } from './near-miss.ts';
import type { Attempt } from './near-miss.ts';
import { missOfPeer } from './peer.ts';
import { missOfPort } from './port.ts';
import type { Policy, Rule } from './policy.ts';
import type { Miss } from './reading.ts';

/**
 * NetworkPolicies decide about each pod that one of them isolates. Their rules are ORed, and what none of them allows is denied (S2.4, S2.5).
 * @param policies those that select the subject; a contested address is isolated as any of its claimants is (S1.10)
 */
export function judgeNetworkPolicies(policies: readonly Policy[], check: Check): End | undefined {
  const { subject, direction } = check;
  const isolating = policies.filter((policy) => policy.isolates.has(direction));
  if (isolating.length === 0) return undefined;
  const isolatedBy = isolating.map((policy) => policy.ref);
  // No policy can allow anything to a contested address (S1.10).
  if (!subject.pod) {
    const names = subject.claimants.map((pod) => pod.key).join(' and ');
    const reason = `${names} claim ${subject.name}, so it is isolated and no rule allows it anything`;
    return { verdict: 'denied', judged: true, reason, isolatedBy, allowedBy: [], nearMisses: [] };
  }

  const allowedBy: RuleRef[] = [];
  const attempts: Attempt[] = [];
  for (const policy of policies) {
    for (const rule of policy.rules[direction]) {
      const attempt = attemptRule(policy, rule, check);
      if (attempt.obstacle || attempt.peer || attempt.port) attempts.push(attempt);
      else allowedBy.push({ policy: policy.ref, rule: rule.index, path: rule.path });
    }
  }
  const isolated = `${subject.name} is isolated for ${direction} by ${isolatedBy.join(', ')}`;
  if (allowedBy.length > 0) {
    const { policy, rule } = allowedBy[0]!;
    const reason = `${isolated}, and rule ${rule + 1} of ${policy} allows this`;
    return { verdict: 'allowed', judged: true, reason, isolatedBy, allowedBy, nearMisses: [] };
  }
  const nearMisses: NearMiss[] = findNearMisses(attempts);
  const rules = isolating.reduce((count, policy) => count + policy.rules[direction].length, 0);
  const reason = `${isolated}, and ${rules === 0 ? `there is no ${direction} rule` : 'no rule allows this'}`;
  return { verdict: 'denied', judged: true, reason, isolatedBy, allowedBy, nearMisses };
}

/** Why the rule does not allow the flow; if the rule allows it, all three causes are `undefined`. */
function attemptRule(policy: Policy, rule: Rule, { cluster, direction, source, destination, flow }: Check): Attempt {
  const attempt = { policy, rule, direction, obstacle: obstacleOf(policy, rule, direction) };
  if (rule.broken) return { ...attempt, peer: undefined, port: undefined };
  const { namespaceLabels, nodes, nodesAt } = cluster;
  const scope = { namespace: policy.namespace, namespaceLabels, nodes, nodesAt };
  const other = direction === 'egress' ? destination : source;
  const peer = rule.peers === 'any' ? undefined : nearest(rule.peers.map((each) => missOfPeer(each, other, scope)));
  const port =
    rule.ports === 'any' ? undefined : nearest(rule.ports.map((each) => missOfPort(each, flow, destination)));
  return { ...attempt, peer, port };
}

/** Why the rule allows nothing at all; `undefined` if it can allow something. */
export function obstacleOf(policy: Policy, rule: Rule, direction: Direction): Miss | undefined {
  const broken = policy.failedClosed ?? rule.broken;
  if (broken) {
    const { path, message } = broken;
    return {
      distance: 0,
      path,
      text: `${path} is invalid, so ${policy.failedClosed ? 'the policy' : 'the rule'} allows nothing: ${message}`,
    };
  }
  if (policy.isolates.has(direction)) {
    // Nearer than any rule that would have to change: the policy already says it.
    return policy.leftOut === undefined ? undefined : { distance: -1, path: 'spec', text: policy.leftOut };
  }
  const type = direction === 'ingress' ? 'Ingress' : 'Egress';
  return {
    distance: 0,
    path: 'spec.policyTypes',
    text: `policyTypes does not list ${type}, so the ${direction} rules are ignored`,
  };
}

/** `undefined` if one entry matches, else the nearest miss. An empty list matches nothing here. */
function nearest(misses: readonly (Miss | undefined)[]): Miss | undefined {
  let best: Miss = { distance: 9, path: '', text: 'nothing is listed' };
  for (const miss of misses) {
    if (!miss) return undefined;
    if (miss.distance < best.distance) best = miss;
  }
  return best;
}
