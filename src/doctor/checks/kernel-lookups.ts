import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

/**
 * First release of each series with "netfilter: nf_tables: restart set lookup on base_seq change" (upstream b2f742c846ca, September
 * 2025; fixes 0cbc06b3faba of 2018). Without it, a hash lookup may miss a key that one transaction deletes and adds (K24).
 * All series from `firstSeries` on have the fix.
 */
const firstFixed: Readonly<Record<string, number>> = { '6.12': 48, '6.16': 8 };
const firstSeries = [6, 17] as const;

/** Whether the upstream release has the fix. Backports of distributors are not known. `undefined` if the text is not a release. */
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
  finds: 'a kernel of this release may not find a set element while a transaction replaces it',
  effect:
    "while the rules of a pod change, the kernel may drop a packet of the pod, or accept it if the pod is outside the start gate's ranges",
  remedy:
    'use Linux 6.12.48, 6.16.8, 6.17 or newer, or ask the distributor for commit b2f742c846ca; see docs/install.md',
  find: (facts) => {
    if (restartsLookups(facts.kernel) !== false) return [];
    const problem = `Linux ${facts.kernel} has the fix only if its distributor has backported it`;
    const voided = voidedFor(podsOf(facts));
    return voided.pods.length > 0 ? [{ subject: 'kernel', problem, ...voided }] : [];
  },
};
