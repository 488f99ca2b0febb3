import { compareOrder, everything, mayDeny } from '../model/order.ts';
import type { Direction, Policy, PolicyRule } from '../model/policy.ts';

/** Consecutive rules with the same action: their order means nothing. */
export type Run = readonly [PolicyRule, ...PolicyRule[]];

const acceptEverything: PolicyRule = { action: 'Accept', ...everything };

/**
 * The rules that judge a pod in one direction, in order: the first rule that matches a packet decides, and a packet that none matches is denied.
 * Without a NetworkPolicy that isolates the pod, nothing denies the rest, so the last rule accepts it.
 * @param policies all policies that select the pod
 * @returns `undefined` if no policy denies anything
 */
export function orderRules(policies: readonly Policy[], direction: Direction): readonly Run[] | undefined {
  if (!policies.some((policy) => mayDeny(policy, direction))) return undefined;
  const isIsolated = policies.some(({ isolates }) => isolates.has(direction));
  const runs: [PolicyRule, ...PolicyRule[]][] = [];
  const add = (rule: PolicyRule): void => {
    const run = runs.at(-1);
    if (run?.[0].action === rule.action) run.push(rule);
    else runs.push([rule]);
  };
  for (const { tier, rules } of policies.toSorted(compareOrder)) {
    // A NetworkPolicy that isolates the pod denies the rest, so the Baseline tier decides nothing.
    if (!isIsolated || tier !== 'Baseline') rules[direction].forEach(add);
  }
  if (!isIsolated) add(acceptEverything);
  return runs;
}
