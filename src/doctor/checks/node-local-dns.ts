import { sorted } from '../../lib/sort.ts';
import { plural } from '../../lib/plural.ts';
import { familyOf } from '../../model/address.ts';
import type { StateOfPod } from '../../model/node-state.ts';
import { routedTable, type Ruleset } from '../../nftables/ruleset.ts';
import { trace } from '../../nftables/trace.ts';
import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, policiesOf } from '../subjects.ts';

export const nodeLocalDns: Check<NodeFacts> = {
  id: 'node-local-dns',
  severity: 'warning',
  finds: 'the node runs a node-local DNS cache, and a policy denies a pod egress to it',
  effect:
    'names do not resolve in those pods, even if a policy allows the pods of the cluster DNS: the cache has an address of the node',
  remedy:
    'allow egress to ipBlock ADDRESS/32 on UDP and TCP port 53; in a ClusterNetworkPolicy, to networks ADDRESS/32',
  find: (facts) => {
    const own = valueOf(facts.own);
    if (!own) return [];
    return facts.nodeLocalDns.flatMap((address) => {
      const denied = podsOf(facts).filter((pod) => pod.egress.length > 0 && isDenied(own, pod, address));
      if (denied.length === 0) return [];
      const names = sorted(denied.map(({ pod }) => pod));
      const problem = `policies deny ${plural(names.length, 'pod')} egress to UDP port 53 of ${address}`;
      return [{ subject: `DNS at ${address}`, problem, pods: names, policies: policiesOf(denied, ['egress']) }];
    });
  },
};

/** Whether the rules in the kernel drop the pod's DNS request. */
function isDenied(own: Ruleset, { addresses, links }: StateOfPod, dns: string): boolean {
  const source = addresses.find((address) => familyOf(address) === familyOf(dns));
  if (source === undefined) return false;
  const table = own[routedTable[familyOf(dns)]];
  if (!table) return false;
  const device = links[source]?.device;
  const { verdict } = trace(table, {
    hook: 'input',
    family: familyOf(dns),
    ...(device !== undefined && { inInterface: device, inKind: 'veth' }),
    source,
    destination: dns,
    protocol: 'udp',
    sourcePort: 40_000,
    destinationPort: 53,
    ctState: 'new',
    direction: 'original',
  });
  return verdict !== 'accept';
}
