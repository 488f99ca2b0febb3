/** Upper limits for what policies cost a node, in the units of `compile/budgets.ts`. */

/** Default limit for the policies of one namespace. */
export const defaultNamespaceBudget = 400_000;

/** Limit for all policies together. */
export const nodeBudget = 6_000_000;

/** Below this limit, the policies of an ordinary namespace would lose their allow rules. */
export const leastNamespaceBudget = 10_000;
