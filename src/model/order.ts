import { compareText } from '../lib/sort.ts';
import { isEnforced, tiers, type Direction, type Policy, type PolicyId, type PolicyRule } from './policy.ts';

/** The order in which policies judge: by tier, then by priority. Policies with the same priority judge in the order of their ids. */
export function compareOrder(a: Policy, b: Policy): number {
  return rankOf(a) - rankOf(b) || a.priority - b.priority || compareText(a.id, b.id);
}

/** Policies in audit come last. */
function rankOf(policy: Policy): number {
  return isEnforced(policy) ? tiers.indexOf(policy.tier) : tiers.length;
}

/** Whether the policy can be the reason that a pod's packet is denied. A pod without such a policy is judged by none. */
export function mayDeny(policy: Policy, direction: Direction): boolean {
  const { isolates, rules } = policy;
  return isEnforced(policy) && (isolates.has(direction) || rules[direction].some(({ action }) => action !== 'Accept'));
}

/** Those of the policies that may deny; unknown ids are left out. */
export function findDenying(
  ids: Iterable<PolicyId>,
  policies: ReadonlyMap<PolicyId, Policy>,
  direction: Direction,
): PolicyId[] {
  return [...ids].filter((id) => {
    const policy = policies.get(id);
    return policy !== undefined && mayDeny(policy, direction);
  });
}

/** Matches every packet. */
export const everything = { peers: [{ kind: 'any' }], ports: [{ kind: 'any' }] } as const;

const denyEverything: readonly PolicyRule[] = [{ action: 'Deny', ...everything }];

const stripped = new WeakMap<Policy, Policy>();

/**
 * The policy that stands in for one whose rules the agent cannot use (S9.10). It isolates the same pods and allows nothing. A policy with `Deny` or `Pass`
 * rules denies everything instead: without them, later rules could allow what the policy denies.
 *
 * Returns the same object for the same policy, so that callers see no change.
 */
export function withoutAllows(policy: Policy): Policy {
  let known = stripped.get(policy);
  if (!known) {
    const rulesOf = (direction: Direction): readonly PolicyRule[] =>
      policy.rules[direction].some(({ action }) => action !== 'Accept') ? denyEverything : [];
    known = { ...policy, rules: { ingress: rulesOf('ingress'), egress: rulesOf('egress') }, groups: new Map() };
    stripped.set(policy, known);
  }
  return known;
}
