import type { Cluster } from './cluster.ts';
import type { Direction, End, Flow, NearMiss, RuleRef } from './decision.ts';
import { findNearMisses } from './near-miss.ts';
import type { Attempt } from './near-miss.ts';
import type { Party } from './party.ts';
import { missOfPeer } from './peer.ts';
import { missOfPort } from './port.ts';
import type { Policy, Rule } from './policy.ts';
import type { Miss } from './reading.ts';
import { policiesOf } from './subject.ts';

/** Both ends of a flow, resolved. */
export interface ResolvedFlow {
  readonly source: Party;
  readonly destination: Party;
  readonly flow: Flow;
}

/** Judges egress at the source or ingress at the destination. */
export function judgeEnd(cluster: Cluster, direction: Direction, resolved: ResolvedFlow): End {
  const subject = direction === 'egress' ? resolved.source : resolved.destination;
  const exempt = exemption(direction, subject, resolved);
  if (exempt !== undefined) return unjudged(exempt);

  // An address that several pods claim is isolated if one of them is, and no rule allows it anything (S1.10).
  const owners = subject.pod ? [subject.pod] : subject.claimants;
  const applying = policiesOf(cluster.policies, owners);
  const isolating = applying.filter((policy) => policy.isolates.has(direction));
  if (isolating.length === 0) return unjudged(`no policy isolates ${subject.name} for ${direction}`);
  const isolatedBy = isolating.map((policy) => policy.ref);
  if (!subject.pod) {
    const names = subject.claimants.map((pod) => pod.key).join(' and ');
    const reason = `${names} claim ${subject.name}, so it is isolated and no rule allows it anything`;
    return { verdict: 'denied', judged: true, reason, isolatedBy, allowedBy: [], nearMisses: [] };
  }

  const allowedBy: RuleRef[] = [];
  const attempts: Attempt[] = [];
  for (const policy of applying) {
    for (const rule of policy.rules[direction]) {
      const attempt = attemptRule(cluster, policy, rule, direction, resolved);
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

/** Why the rule does not allow the flow; if the rule allows it, all three causes are `undefined`. */
function attemptRule(
  cluster: Cluster,
  policy: Policy,
  rule: Rule,
  direction: Direction,
  { source, destination, flow }: ResolvedFlow,
): Attempt {
  const attempt = { policy, rule, direction, obstacle: obstacleOf(policy, rule, direction) };
  if (rule.broken) return { ...attempt, peer: undefined, port: undefined };
  const scope = { namespace: policy.namespace, namespaceLabels: cluster.namespaceLabels };
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
  if (policy.isolates.has(direction)) return undefined;
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

function unjudged(reason: string): End {
  return { verdict: 'allowed', judged: false, reason, isolatedBy: [], allowedBy: [], nearMisses: [] };
}
