import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

/**
 * Of each series the first release with "netfilter: nf_tables: restart set lookup on base_seq change" (upstream b2f742c846ca, of
 * September 2025; it mends 0cbc06b3faba of 2018). Before it, a look-up in a hash may miss a key that one transaction deletes and adds (K24).
 * Series that are not named have it from `firstSeries` on.
 */
const firstFixed: Readonly<Record<string, number>> = { '6.12': 48, '6.16': 8 };
const firstSeries = [6, 17] as const;

/** Whether the release is of a kernel that has the fix; what distributors took over by themselves is not known. `undefined`: it is no release. */
function restartsLookups(release: string): boolean | undefined {
  const [, major, minor, patch = '0'] = /^([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  const fixed = firstFixed[`${major}.${minor}`];
  if (fixed !== undefined) return Number(patch) >= fixed;
  return Number(major) > firstSeries[0] || (Number(major) === firstSeries[0] && Number(minor) >= firstSeries[1]);
}

export const kernelLookups: Check<NodeFacts> = {
  id: 'kernel-lookups',
  severity: 'warning',
  finds: 'by its release the kernel can miss an element that a change replaces',
  effect:
    "a packet that meets a change of its pod's rules may be dropped, or, outside of the gate's ranges, pass without a verdict",
  remedy:
    'use Linux 6.12.48, 6.16.8, 6.17 or newer, or ask the distributor for commit b2f742c846ca; docs/install.md says more',
  find: (facts) => {
    if (restartsLookups(facts.kernel) !== false) return [];
    const problem = `Linux ${facts.kernel} has the fix only if its distributor took it over`;
    const voided = voidedFor(podsOf(facts));
    return voided.pods.length > 0 ? [{ subject: 'kernel', problem, ...voided }] : [];
  },
};
