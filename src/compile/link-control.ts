import { families, type Family } from '../model/address.ts';
import type { NftRule, Verdict } from '../nftables/ruleset.ts';
import { compare } from './match.ts';

/**
 * What keeps a link going, and is never judged (S5.8). The hop limits keep it from being a routed tunnel; no interval set may be
 * written here (`130-132`): it would be read back at every change (C2).
 */
export function linkControlRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.flatMap((family) => controlMatches[family].map((each) => ruleOf(each, verdict)));
}

/** DHCP of a host that has no address yet. Where addresses are judged, it needs no rule: its own are those of no pod. */
export function addressRequestRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.map((family) => ruleOf(requestMatches[family], verdict));
}

type Named = Required<Pick<NftRule, 'matches' | 'comment'>>;

/** In the order in which `parseTable` has them: rules are compared by their JSON. */
function ruleOf({ matches, comment }: Named, verdict: Verdict): NftRule {
  return { matches, verdict, comment };
}

const controlMatches: Readonly<Record<Family, readonly Named[]>> = {
  ipv4: [
    {
      matches: [
        compare('ip ttl', '==', '1'),
        compare('ip protocol', '==', '2'),
        compare('ip daddr', '==', '224.0.0.0/4'),
      ],
      comment: 'IGMP',
    },
  ],
  ipv6: [
    {
      matches: [compare('icmpv6 type', '==', '133', '134', '135', '136', '137'), compare('ip6 hoplimit', '==', '255')],
      comment: 'neighbour discovery',
    },
    {
      matches: [
        compare('icmpv6 type', '==', '130', '131', '132', '143'),
        compare('ip6 hoplimit', '==', '1'),
        compare('ip6 daddr', '==', 'ff00::/8'),
      ],
      comment: 'multicast listener discovery',
    },
  ],
};

const requestMatches: Readonly<Record<Family, Named>> = {
  ipv4: {
    matches: [
      compare('ip saddr', '==', '0.0.0.0'),
      compare('ip daddr', '==', '255.255.255.255'),
      compare('udp sport', '==', '68'),
      compare('udp dport', '==', '67'),
    ],
    comment: 'DHCP',
  },
  ipv6: {
    matches: [
      compare('ip6 saddr', '==', 'fe80::/10'),
      compare('ip6 daddr', '==', 'ff02::1:2'),
      compare('udp sport', '==', '546'),
      compare('udp dport', '==', '547'),
    ],
    comment: 'DHCPv6',
  },
};
