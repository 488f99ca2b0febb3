import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const bridgeNetfilter: Check<NodeFacts> = {
  id: 'bridge-netfilter',
  severity: 'error',
  finds: 'packets between pods on one bridge bypass the rules',
  effect: 'policies have no effect between pods on that bridge',
  remedy: 'run the command of the finding on the node, and make it permanent in /etc/sysctl.d and /etc/modules-load.d',
  find: (facts) =>
    (valueOf(facts.bridges) ?? []).map(({ bridge, problem, addresses }) => {
      const pods = podsOf(facts).filter((pod) => pod.addresses.some((address) => addresses.includes(address)));
      return { subject: `bridge ${bridge}`, problem, ...voidedFor(pods) };
    }),
};
