import { familyOf, type Family } from '../../model/address.ts';
import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf } from '../subjects.ts';

interface Wanted {
  readonly name: string;
  readonly value: string;
  readonly effect: string;
  /** If set, the check applies only if a pod has an address of that family. */
  readonly family?: Family;
}

const wanted: readonly Wanted[] = [
  { name: 'net.ipv4.ip_forward', value: '1', family: 'ipv4', effect: 'the node forwards no packet of a pod' },
  { name: 'net.ipv6.conf.all.forwarding', value: '1', family: 'ipv6', effect: 'the node forwards no packet of a pod' },
  {
    name: 'net.netfilter.nf_conntrack_tcp_loose',
    value: '1',
    effect: 'connections that conntrack has lost hang instead of being reset: conntrack calls their packets invalid',
  },
];

export const sysctls: Check<NodeFacts> = {
  id: 'sysctl',
  severity: 'warning',
  finds: 'a sysctl has a value with which pods or policies do not work',
  effect: 'see the finding',
  remedy: 'set the value that the finding names, and make it permanent in /etc/sysctl.d',
  find: (facts) => {
    const families = new Set(podsOf(facts).flatMap(({ addresses }) => addresses.map(familyOf)));
    return wanted
      .filter(({ name, value, family }) => {
        const found = facts.sysctls[name];
        return found !== undefined && found !== value && (family === undefined || families.has(family));
      })
      .map(({ name, value, effect }) => ({
        subject: `sysctl ${name}`,
        problem: `it is ${facts.sysctls[name]}`,
        effect,
        remedy: `sysctl -w ${name}=${value}, and make it permanent in /etc/sysctl.d`,
      }));
  },
};
