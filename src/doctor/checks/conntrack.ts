import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';

/** In percent of the table. */
const [many, nearlyAll] = [80, 95];

export const conntrackFull: Check<NodeFacts> = {
  id: 'conntrack-full',
  severity: 'warning',
  finds: `the table of connections is ${many} % full, or more`,
  effect: 'when it is full, new connections of the whole node are dropped, whatever policies say',
  remedy:
    'raise net.netfilter.nf_conntrack_max (kube-proxy: conntrack.maxPerCore), or find who opens so many: conntrack -L',
  find: ({ conntrack }) => {
    const { count, max } = valueOf(conntrack) ?? { count: 0, max: 0 };
    const percent = max > 0 ? Math.floor((count * 100) / max) : 0;
    if (percent < many) return [];
    const problem = `${count} of ${max} entries are used (${percent} %)`;
    return [{ subject: 'conntrack table', problem, ...(percent >= nearlyAll && { severity: 'error' as const }) }];
  },
};
