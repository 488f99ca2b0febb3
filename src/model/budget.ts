import { auditTier, type Policy } from './policy.ts';

/** Upper limits for what policies cost a node, in the units of `compile/budgets.ts`. docs/decisions/0014 has the measurements. */

/** Default limit for the policies of one namespace: about 0.9 s of nft, for which the changes of others wait. */
export const defaultNamespaceBudget = 400_000;

/** Limit for all policies together: at most 12 s of nft at the first load. */
export const nodeBudget = 6_000_000;

/** 2,000 rules or tuples. Below this limit, the policies of an ordinary namespace would lose their allow rules. */
export const leastNamespaceBudget = 10_000;

/** The namespace of a pod or policy, by its key or id. */
export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

/** Who pays for the policy: its namespace. The audits of a namespace pay apart from its enforced policies, so that they can displace none of them. */
export function payerOf({ id, tier }: Pick<Policy, 'id' | 'tier'>): string {
  return tier === auditTier ? payerOfAudits(namespaceOf(id)) : namespaceOf(id);
}

/** The payer for the audits of a namespace. No namespace has such a name. */
export function payerOfAudits(namespace: string): string {
  return `~${namespace}`;
}

export function isOfAudits(payer: string): boolean {
  return payer.startsWith('~');
}
