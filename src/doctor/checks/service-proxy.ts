import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

const supported: ReadonlySet<string> = new Set(['iptables', 'nftables']);

export const serviceProxy: Check<NodeFacts> = {
  id: 'service-proxy',
  severity: 'error',
  finds: 'kube-proxy, or what is in its place, is in IPVS mode or in one that is not known',
  effect: 'requests to Services do not cross the hook where policies judge them',
  remedy: 'set the mode of kube-proxy to nftables or iptables',
  find: (facts) => {
    const problem = valueOf(facts.ipvs);
    const mode = valueOf(facts.proxyMode);
    const voids = voidedFor(podsOf(facts));
    if (problem !== undefined) return [{ subject: 'node', problem, ...voids }];
    if (mode === undefined || supported.has(mode)) return [];
    return [
      { subject: 'node', problem: `kube-proxy says that its mode is ${JSON.stringify(mode.slice(0, 40))}`, ...voids },
    ];
  },
};
