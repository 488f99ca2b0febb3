import { compareText } from '../lib/sort.ts';
import type { Check } from './check.ts';
import type { Cluster } from './cluster.ts';
import type { Direction, End, TierRuleRef, TierSteps } from './decision.ts';
import type { Party } from './party.ts';
import { missOfPeer } from './peer.ts';
import { missOfPort } from './port.ts';
import type { Policy, Rule } from './policy.ts';

/** What the ClusterNetworkPolicies of one tier say of a flow. */
export interface TierVerdict {
  /** The first rule that matches; missing if none does. */
  readonly first?: TierRuleRef;
  /** The matching rules after it. */
  readonly later: readonly TierRuleRef[];
}

const mostPassedOver = 10;

/** Finds the rules of a tier that match, in order: by priority, by name, from the top (S10.3, S10.8). */
export function matchTier(policies: readonly Policy[], check: Check): TierVerdict {
  const matching: TierRuleRef[] = [];
  for (const policy of inOrder(policies)) {
    for (const rule of policy.rules[check.direction]) {
      const undecided = whyUndecided(rule, check);
      if (undecided !== undefined) matching.push({ ...refOf(policy, rule), action: 'Deny', undecided });
      else if (matches(policy, rule, check)) matching.push(refOf(policy, rule));
      if (matching.length > mostPassedOver) break;
    }
  }
  const [first, ...later] = matching;
  return { ...(first && { first }), later };
}

/** Whether the policy can deny anything in the direction. Then nothing is allowed to an address that several pods claim (S1.10). */
export function mayDeny({ rules }: Policy, direction: Direction): boolean {
  return rules[direction].some((rule) => rule.action !== 'Accept' && !matchesNothing(rule));
}

/** S10.17: a port name means nothing with a peer that is not a selector of pods. */
function matchesNothing({ peers, ports }: Rule): boolean {
  const isNamed = ports !== 'any' && ports.every(({ kind }) => kind === 'named');
  return isNamed && peers !== 'any' && peers.every(({ kind }) => kind !== 'pods');
}

/** The end of a check that a rule of a ClusterNetworkPolicy decides. */
export function endOf(rule: TierRuleRef, tiers: TierSteps): End {
  const verdict = rule.action === 'Deny' ? 'denied' : 'allowed';
  const reason = `${describeTierRule(rule)} ${effectOf(rule)}${followed(tiers.passedBy)}`;
  const allowedBy = verdict === 'allowed' ? [{ policy: rule.policy, rule: rule.rule, path: rule.path }] : [];
  return { verdict, judged: true, reason, isolatedBy: [], allowedBy, nearMisses: [], tiers };
}

function effectOf({ action, isUnreadable, undecided, leftOut }: TierRuleRef): string {
  if (leftOut !== undefined) return `denies everything in this direction: ${leftOut}`;
  if (isUnreadable) return 'cannot be read as a whole, so it denies everything';
  if (undecided !== undefined) return `selects pods, and ${undecided}, so it denies this`;
  return `${action === 'Deny' ? 'denies' : 'accepts'} this`;
}

/** `rule 2 "no-tenants" of ClusterNetworkPolicy guard (Admin tier, priority 10)` */
export function describeTierRule({ policy, rule, name, tier, priority, leftOut }: TierRuleRef): string {
  const called = name === undefined ? '' : ` ${JSON.stringify(name)}`;
  const part = leftOut === undefined ? `rule ${rule + 1}${called} of ` : '';
  return `${part}${policy} (${tier} tier, priority ${priority})`;
}

/** `, after rule 1 of … passed it on` */
export function followed(passedBy: readonly TierRuleRef[]): string {
  return passedBy.length === 0 ? '' : `, after ${passedBy.map(describeTierRule).join(' and ')} passed it on`;
}

export function stepsOf(
  passedBy: readonly TierRuleRef[],
  passedOver: readonly TierRuleRef[],
  decidedBy?: TierRuleRef,
): TierSteps {
  return { ...(decidedBy && { decidedBy }), passedBy, passedOver: passedOver.slice(0, mostPassedOver) };
}

/** By priority, then by name (S10.3, S10.8). */
export function inOrder(policies: readonly Policy[]): readonly Policy[] {
  return policies.toSorted((a, b) => a.priority - b.priority || compareText(a.ref, b.ref));
}

function refOf(policy: Policy, { index, path, action, name, broken }: Rule): TierRuleRef {
  const { ref, tier, priority, leftOut } = policy;
  const isUnreadable = broken !== undefined && action !== 'Accept';
  return {
    ...{ policy: ref, rule: index, path, tier, priority, action },
    ...(name !== undefined && { name }),
    ...(isUnreadable && { isUnreadable }),
    ...(leftOut !== undefined && { leftOut }),
  };
}

/** S10.11: a rule that denies or passes may select the other end. `undefined` if that is known, or if the rule's ports do not match anyway. */
function whyUndecided(
  { action, peers, ports }: Rule,
  { cluster, direction, source, destination, flow }: Check,
): string | undefined {
  if (action === 'Accept' || peers === 'any' || !peers.some(({ kind }) => kind === 'pods')) return undefined;
  const why = whyUnplaced(direction === 'egress' ? destination : source, cluster);
  if (why === undefined || ports === 'any' || ports.some(({ kind }) => kind === 'named')) return why;
  return ports.some((port) => !missOfPort(port, flow, destination)) ? why : undefined;
}

/** Why Postern cannot tell which selectors match the party; `undefined` if that is known. */
export function whyUnplaced({ name, pod, claimants }: Party, { namespaceLabels }: Cluster): string | undefined {
  if (claimants.length > 0) return `several pods claim ${name}`;
  return pod && !namespaceLabels.has(pod.namespace) ? `namespace ${pod.namespace} of ${name} is not known` : undefined;
}

function matches(
  { namespace }: Policy,
  { peers, ports }: Rule,
  { cluster, direction, source, destination, flow }: Check,
): boolean {
  const other = direction === 'egress' ? destination : source;
  const scope = { namespace, namespaceLabels: cluster.namespaceLabels, nodes: cluster.nodes, nodesAt: cluster.nodesAt };
  const found = peers === 'any' ? 'any' : peers.filter((peer) => !missOfPeer(peer, other, scope));
  if (found !== 'any' && found.length === 0) return false;
  if (ports === 'any') return true;
  const isOfPods = found === 'any' || found.some(({ kind }) => kind === 'pods');
  // S10.17: a port name means nothing with a peer that is not a selector of pods.
  return ports.some((port) => (port.kind !== 'named' || isOfPods) && !missOfPort(port, flow, destination));
}
