import { families, type Family } from '../model/address.ts';
import type { Match, NftRule, Verdict } from '../nftables/ruleset.ts';
import { routedTable } from '../nftables/ruleset.ts';
import { compare, dropRule } from './match.ts';

/**
 * Link control: messages that a link needs and that policies never judge (S5.8, K5). The hop limits prevent their use as a routed tunnel, the length
 * limits as a tunnel between neighbours (S5.20). Do not write `130-132` here: nft would make an interval set and read it back at every change (K18).
 */
export function linkControlRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.flatMap((family) => controlMatches[family].map((each) => ruleOf(each, verdict)));
}

/** Link control between hosts, without messages to or from routers. */
export function neighbourRules(verdict: Verdict): NftRule[] {
  return [ruleOf(neighbourMatches, verdict)];
}

/** Drops messages that only routers send (S1.18). */
export function routerRule(family: Family, ...also: Match[]): NftRule {
  return dropRule(...also, routerMatch[family]);
}

/** Drops packets to DHCP clients. Clients accept them from any source port, so only the destination port counts (S1.18). */
export function addressServerRule(family: Family): NftRule {
  return dropRule(compare('udp dport', '==', clientPort[family]), compare('ether type', '==', routedTable[family]));
}

/**
 * Matches no packet that `addressServerRule` drops. It does not read the protocol, so it costs less. Therefore it does not match TCP to that port,
 * nor packets without ports such as later fragments.
 */
export function isNotForClient(family: Family): Match {
  return compare('th dport', '!=', clientPort[family]);
}

const clientPort: Readonly<Record<Family, string>> = { ipv4: '68', ipv6: '546' };

/** Redirects, and IPv6 router advertisements. */
const routerMatch: Readonly<Record<Family, Match>> = {
  ipv4: compare('icmp type', '==', '5'),
  ipv6: compare('icmpv6 type', '==', '134', '137'),
};

/**
 * Bytes of the longest solicitation of Linux, with IPv6 header, link-layer address and nonce (RFC 4861, RFC 7527), plus one option of 16 bytes.
 * The padding of short frames stays below this.
 */
export const longestNeighbourMessage = 96;

/** DHCP requests of a host without an address. The ip and ip6 tables need no such rule: the source is no pod's address. */
export function addressRequestRules(verdict: Verdict, of: readonly Family[] = families): NftRule[] {
  return of.map((family) => ruleOf(requestMatches[family], verdict));
}

type Named = Required<Pick<NftRule, 'matches' | 'comment'>>;

/** The property order must equal that of `parseTable`: rules are compared by their JSON. */
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
