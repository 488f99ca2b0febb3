/** What policies may cost a node, in the units of `compile/budgets.ts`. */

/** Of the policies of one namespace, unless the operator says otherwise. */
export const defaultNamespaceBudget = 400_000;

/** Of all policies together. */
export const nodeBudget = 6_000_000;

/** With less, the policies of an ordinary namespace lose their allows. */
export const leastNamespaceBudget = 10_000;
