import type { ClassRule } from './class-spec.ts';

/**
 * Turns ordered rules into rules whose order means nothing: a packet is allowed if one of them matches. Nothing here can cut what a `Deny` or `Pass` rule
 * matches out of the rules after it. So such a rule ends the list, as if it denied everything. That never allows more than the rules say. It is exact
 * for NetworkPolicies, and for a rule that denies everything.
 */
export function flattenRules(ordered: readonly ClassRule[]): readonly ClassRule[] {
  const end = ordered.findIndex(({ action }) => action !== 'Accept');
  return end === -1 ? ordered : ordered.slice(0, end);
}
