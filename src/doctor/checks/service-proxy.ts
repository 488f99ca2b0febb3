import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

const supported: ReadonlySet<string> = new Set(['iptables', 'nftables']);

export const serviceProxy: Check<NodeFacts> = {
  id: 'service-proxy',
  severity: 'error',
  finds: 'kube-proxy or its replacement is in IPVS mode or in an unknown mode',
  effect: 'requests to Services bypass the hook at which the rules check them',
  remedy: 'set the mode of kube-proxy to nftables or iptables',
  find: (facts) => {
    const problem = valueOf(facts.ipvs);
    const mode = valueOf(facts.proxyMode);
    const voids = voidedFor(podsOf(facts));
    if (problem !== undefined) return [{ subject: 'node', problem, ...voids }];
    if (mode === undefined || supported.has(mode)) return [];
    return [{ subject: 'node', problem: `kube-proxy reports mode ${JSON.stringify(mode.slice(0, 40))}`, ...voids }];
  },
};
