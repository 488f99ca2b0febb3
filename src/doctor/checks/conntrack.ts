import { sorted } from '../../lib/sort.ts';
import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';

/** In percent of the table. */
const [many, nearlyAll] = [80, 95];

export const conntrackStale: Check<NodeFacts> = {
  id: 'conntrack-stale',
  severity: 'warning',
  finds: 'conntrack maps a connection to a Service to a pod that is gone',
  effect:
    'what the client sends goes to nobody, or to the next pod that gets the address; it looks as if a policy denied it, and none does',
  remedy:
    'conntrack -D --orig-dst ADDRESS with the address of the Service ends such a connection; kube-proxy should do so for UDP (kubernetes issue 125467)',
  find: ({ gonePods }) =>
    (valueOf(gonePods) ?? []).map(({ address, services, connections }) => {
      const of = connections === 1 ? 'a connection' : `${connections} connections`;
      const problem = `${of} to ${sorted(services).join(', ')}: conntrack maps to a pod that is gone`;
      return { subject: `address ${address}`, problem };
    }),
};

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
