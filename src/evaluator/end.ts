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
export interface Meeting {
  readonly source: Party;
  readonly destination: Party;
  readonly flow: Flow;
}

/** Judges egress at the source or ingress at the destination. */
export function judgeEnd(cluster: Cluster, direction: Direction, meeting: Meeting): End {
  const subject = direction === 'egress' ? meeting.source : meeting.destination;
  const exempt = exemption(direction, subject, meeting);
  if (exempt !== undefined) return unjudged(exempt);

  // A contested address is isolated as any of its claimants is, and no policy can allow it anything (S1.10).
  const owners = subject.pod ? [subject.pod] : subject.claimants;
  const applying = policiesOf(cluster.policies, owners);
  const isolating = applying.filter((policy) => policy.isolates.has(direction));
  if (isolating.length === 0) return unjudged(`no policy isolates ${subject.name} for ${direction}`);
  const isolatedBy = isolating.map((policy) => policy.ref);
  if (!subject.pod) {
    const names = subject.claimants.map((pod) => pod.key).join(' and ');
    const reason = `${subject.name} is claimed by ${names}, so it is isolated and nothing is allowed`;
    return { verdict: 'denied', judged: true, reason, isolatedBy, allowedBy: [], nearMisses: [] };
  }

  const allowedBy: RuleRef[] = [];
  const attempts: Attempt[] = [];
  for (const policy of applying) {
    for (const rule of policy.rules[direction]) {
      const attempt = attemptRule(cluster, policy, rule, direction, meeting);
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

/** What stands between the flow and this rule; nothing does if the rule allows it. */
function attemptRule(
  cluster: Cluster,
  policy: Policy,
  rule: Rule,
  direction: Direction,
  { source, destination, flow }: Meeting,
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

/** What keeps the rule from allowing anything at all. */
export function obstacleOf(policy: Policy, rule: Rule, direction: Direction): Miss | undefined {
  const broken = policy.mute ?? rule.broken;
  if (broken) {
    const { path, message } = broken;
    return {
      distance: 0,
      path,
      text: `${path} is not understood, so ${policy.mute ? 'the policy' : 'the rule'} allows nothing: ${message}`,
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

/** Entries are ORed: `undefined` (a match) if one matches, else the nearest miss. No entry at all matches nothing. */
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
