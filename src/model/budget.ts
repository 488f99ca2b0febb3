/** Upper limits for what policies cost a node, in the units of `compile/budgets.ts`. docs/decisions/0014 has the measurements. */

/** Default limit for the policies of one namespace: about 0.9 s of nft, for which the changes of others wait. */
export const defaultNamespaceBudget = 400_000;

/** Limit for all policies together: at most 12 s of nft at the first load. */
export const nodeBudget = 6_000_000;

/** 2,000 rules or tuples. Below this limit, the policies of an ordinary namespace would lose their allow rules. */
export const leastNamespaceBudget = 10_000;
