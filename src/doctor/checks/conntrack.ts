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
    'packets of the client are lost, or reach the next pod with that address; it looks like a denial, but no policy denies them',
  remedy:
    'delete the entries: conntrack -D --orig-dst ADDRESS, with the address of the Service; kube-proxy should do so for UDP (kubernetes issue 125467)',
  find: ({ gonePods }) =>
    (valueOf(gonePods) ?? []).map(({ address, services, connections }) => {
      const of = connections === 1 ? 'a connection' : `${connections} connections`;
      const problem = `conntrack maps ${of} to ${sorted(services).join(', ')} to this address, but its pod is gone`;
      return { subject: `address ${address}`, problem };
    }),
};

export const conntrackFull: Check<NodeFacts> = {
  id: 'conntrack-full',
  severity: 'warning',
  finds: `the conntrack table is at least ${many} % full`,
  effect: 'when it is full, the kernel drops all new connections of the node, also allowed ones',
  remedy:
    'raise net.netfilter.nf_conntrack_max (kube-proxy: conntrack.maxPerCore), or list the connections to find their source: conntrack -L',
  find: ({ conntrack }) => {
    const { count, max } = valueOf(conntrack) ?? { count: 0, max: 0 };
    const percent = max > 0 ? Math.floor((count * 100) / max) : 0;
    if (percent < many) return [];
    const problem = `${count} of ${max} entries are in use (${percent} %)`;
    return [{ subject: 'conntrack table', problem, ...(percent >= nearlyAll && { severity: 'error' as const }) }];
  },
};
