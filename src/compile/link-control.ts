import { families, type Family } from '../model/address.ts';
import type { Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import { routedTable } from '../nftables/ruleset.ts';
import { compare, dropRule } from './match.ts';

/**
 * What keeps a link going, and is never judged (S5.8, K5). The hop limits keep it from being a routed tunnel, and the lengths from being one
 * between neighbours (S5.20). No interval set may be written here (`130-132`): it would be read back at every change (K18).
 */
export function linkControlRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.flatMap((family) => controlMatches[family].map((each) => ruleOf(each, verdict)));
}

/** The part of it that goes from one host of a link to another, and not to a router. */
export function neighbourRules(verdict: Verdict): NftRule[] {
  return [ruleOf(neighbourMatches, verdict)];
}

/** Drops what routers alone send: no pod is one (S1.18). */
export function routerRule(family: Family, ...also: Match[]): NftRule {
  return dropRule(...also, routerMatch[family]);
}

/** Drops answers of DHCP servers, which clients take from any port: no pod is one (S1.18). */
export function addressServerRule(family: Family): NftRule {
  return dropRule(compare('udp dport', '==', clientPort[family]), compare('ether type', '==', routedTable[family]));
}

/**
 * No packet that this rule drops matches this. It does not read the protocol, so it costs less. Therefore it also does not match TCP to that port,
 * and no packet without ports, such as a later fragment.
 */
export function isNotForClient(family: Family): Match {
  return compare('th dport', '!=', clientPort[family]);
}

const clientPort: Readonly<Record<Family, string>> = { ipv4: '68', ipv6: '546' };

/** Redirects, and of IPv6 router advertisements. */
const routerMatch: Readonly<Record<Family, Match>> = {
  ipv4: compare('icmp type', '==', '5'),
  ipv6: compare('icmpv6 type', '==', '134', '137'),
};

/**
 * The IPv6 header, a solicitation, a link-layer address and a nonce, as Linux sends them (RFC 4861, RFC 7527), and one option of 16 bytes more.
 * What a frame is padded to is less.
 */
export const longestNeighbourMessage = 96;

/** DHCP of a host that has no address yet. Where addresses are judged, it needs no rule: its own are those of no pod. */
export function addressRequestRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.map((family) => ruleOf(requestMatches[family], verdict));
}

type Named = Required<Pick<NftRule, 'matches' | 'comment'>>;

/** In the order in which `parseTable` has them: rules are compared by their JSON. */
function ruleOf({ matches, comment }: Named, verdict: Verdict): NftRule {
  return { matches, verdict, comment };
}

const neighbourMatches: Named = {
  matches: [
    compare('icmpv6 type', '==', '135', '136'),
    compare('ip6 hoplimit', '==', '255'),
    { kind: 'length', op: '<=', bytes: longestNeighbourMessage },
  ],
  comment: 'neighbour discovery',
};

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
    neighbourMatches,
    {
      matches: [compare('icmpv6 type', '==', '133', '134', '137'), compare('ip6 hoplimit', '==', '255')],
      comment: 'router discovery',
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
