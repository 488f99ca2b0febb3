import { lifeCases, orderCases, passCases } from './cases.ts';
import type { TierCase } from './language.ts';
import { endCases, portCases, unreadCases } from './match-cases.ts';
import { matrix } from './matrix.ts';

/** What packets meet under ClusterNetworkPolicies. The verdicts were written by hand, from docs/semantics.md S10. */
export const tierCases: readonly TierCase[] = [
  ...matrix,
  ...orderCases,
  ...passCases,
  ...endCases,
  ...portCases,
  ...unreadCases,
  ...lifeCases,
];
