import { compareOrder, mayDeny } from '../model/order.ts';
import { isEnforced, tiers, type Direction, type Policy, type PolicyRule, type Tier } from '../model/policy.ts';

/** Consecutive rules of one tier with the same action: their order means nothing. */
export interface Run {
  readonly tier: Tier;
  readonly rules: readonly PolicyRule[];
}

/** The rules that judge a pod in one direction. */
export interface OrderedRules {
  /** In order: the first rule that matches a packet decides. After `Pass`, the next tier does. */
  readonly runs: readonly Run[];
  /** Whether a packet that no rule decides is denied. It is allowed if no NetworkPolicy isolates the pod. */
  readonly isIsolated: boolean;
}

/**
 * Puts the rules that judge a pod in order.
 * @param all all policies that select the pod
 * @returns `undefined` if no policy denies anything
 */
export function orderRules(all: readonly Policy[], direction: Direction): OrderedRules | undefined {
  const policies = all.filter(isEnforced);
  if (!policies.some((policy) => mayDeny(policy, direction))) return undefined;
  const isIsolated = policies.some(({ isolates }) => isolates.has(direction));
  // A NetworkPolicy that isolates the pod denies the rest, so the Baseline tier decides nothing. Without one, the tier is empty.
  const judging = policies.filter(({ tier }) => tier !== (isIsolated ? 'Baseline' : 'NetworkPolicy'));
  const runs: { tier: Tier; rules: [PolicyRule, ...PolicyRule[]] }[] = [];
  for (const { tier, rules } of judging.toSorted(compareOrder)) {
    for (const rule of rules[direction]) {
      const run = runs.at(-1);
      if (run?.tier === tier && run.rules[0].action === rule.action) run.rules.push(rule);
      else runs.push({ tier, rules: [rule] });
    }
  }
  return { runs, isIsolated };
}

/** The place of a tier in the order. */
export function levelOf(tier: Tier): number {
  return tiers.indexOf(tier);
}
