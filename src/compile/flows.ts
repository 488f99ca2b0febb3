import type { Family } from '../model/address.ts';
import type { Chain, Field, KeyType, Match, NftRule, NftSet } from '../nftables/ruleset.ts';
import { addressField, compare, goTo, isIn, isNotIn } from './match.ts';
import {
  ctDirections,
  flowChainName,
  flowChoiceSetName,
  flowEditions,
  flowSetName,
  otherNodeIpsSetName,
  type CtDirection,
  type FlowEdition,
} from './names.ts';
import { addressType } from './set-builder.ts';

/**
 * The fast path: flow sets hold the headers of packets that have passed all rules, and one lookup accepts the next packet with such a header. This is
 * right because of two facts:
 *
 * 1. **The rules behind the lookup decide by nothing but the key and the direction.** For an IPv4 packet of TCP or UDP, they read both devices, both
 *    addresses and the port of the server. Two kinds of rules read more, and packets that these rules may concern are never added: link control
 *    (source ports, hop limits; `linkSources`), and the rule against tunnels to other nodes (the destination port, which the key of a reply does not
 *    have). `not-established` comes before the lookup.
 * 2. **Each change that may deny what passed before starts with empty sets** (`plan/flows.ts`). For this, the sets and the chains that use them exist in
 *    two editions, and an element says which one counts. So no rule changes, and the kernel need not validate the table.
 *
 * A packet chooses its edition before any lookup that judges it, and adds itself in the chain that judged it. So its place in the chain remembers the
 * choice. `not-established` comes before the choice, but no packet that meets it adds itself.
 */
const protocols = ['udp', 'tcp'] as const;
type Protocol = (typeof protocols)[number];

/** Elements expire, so that flows that have ended make room. A packet does not extend the time; the next one after it passes the rules again. */
const records = { seconds: 30, size: 16_384 };

/** Unanswered UDP fills at most a fifth of a set: 200 + 100 a second for the 30 s that an element lasts. */
const unansweredLimit: Match = { kind: 'limit', perSecond: 100, burst: 200 };

/** Sources of link control (S5.8), by family. */
const linkSources: Readonly<Record<Family, readonly string[]>> = { ipv4: ['0.0.0.0'], ipv6: ['::', 'fe80::/10'] };

/** With IPv6, two names do not fit into a key (64 bytes, K37). An index may be given to another device later, and a pod may send anything, so its own device counts by name. */
const outputDevice = { ipv4: 'oifname', ipv6: 'oif' } as const satisfies Record<Family, Field>;
const deviceType = { ipv4: 'ifname', ipv6: 'iface_index' } as const satisfies Record<Family, KeyType>;

/** The chains in both editions around the rules that judge packets of the direction. The first one leads to the second. */
export function flowChains(
  family: Family,
  ctDirection: CtDirection,
  judging: readonly NftRule[],
  holdsTunnels: boolean,
): Chain[] {
  const isSecond = isIn(flowChoiceSetName, 'meta l4proto');
  const toSecond: NftRule = { matches: [isSecond], verdict: goTo(flowChainName(ctDirection, 'second')) };
  return flowEditions.map((edition): Chain => {
    const recording = flowRecords(family, ctDirection, edition, holdsTunnels);
    const around = [...flowLookups(family, ctDirection, edition), ...judging, ...recording];
    const rules = [...(edition === 'first' ? [toSecond] : []), ...around];
    return { name: flowChainName(ctDirection, edition), rules };
  });
}

/** Accepts packets of known flows. */
function flowLookups(family: Family, ctDirection: CtDirection, edition: FlowEdition): NftRule[] {
  return protocols.map((protocol) => {
    const isKnown = isIn(flowSetName(protocol, family, ctDirection, edition), ...keyOf(protocol, family, ctDirection));
    return { matches: [isKnown], verdict: { kind: 'accept' } };
  });
}

/**
 * For packets that no rule has dropped. The connection must be established, or a scan of ports would fill the sets. UDP that nobody answers has a limit for
 * the same reason.
 */
function flowRecords(family: Family, ctDirection: CtDirection, edition: FlowEdition, holdsTunnels: boolean): NftRule[] {
  const { source, destination } = addressField[family];
  const isOfPeer = linkSources[family].map((each) => compare(source, '!=', each));
  const mayBeTunnel = holdsTunnels && ctDirection === 'reply';
  const isNoTunnel = { udp: mayBeTunnel ? [isNotIn(otherNodeIpsSetName[family], destination)] : [], tcp: [] };
  const record = (protocol: Protocol, ...matches: Match[]): NftRule => {
    const key = keyOf(protocol, family, ctDirection);
    return { matches, verdict: { kind: 'remember', key, set: flowSetName(protocol, family, ctDirection, edition) } };
  };
  return [
    ...protocols.map((protocol) =>
      record(protocol, compare('ct state', '==', 'established'), ...isOfPeer, ...isNoTunnel[protocol]),
    ),
    ...(ctDirection === 'original'
      ? [record('udp', compare('ct state', '==', 'new'), ...isOfPeer, unansweredLimit)]
      : []),
  ];
}

/** With these elements, packets use the second edition. The plan empties the set to choose the first. */
const flowChoice: NftSet = {
  name: flowChoiceSetName,
  key: ['inet_proto'],
  interval: false,
  elements: new Set(protocols),
};

/** Flow sets and the choice between their editions. */
export const flowSets: Readonly<Record<Family, readonly NftSet[]>> = {
  ipv4: flowSetsOf('ipv4'),
  ipv6: flowSetsOf('ipv6'),
};

function flowSetsOf(family: Family): NftSet[] {
  const address = addressType[family];
  const key: KeyType[] = ['ifname', deviceType[family], address, address, 'inet_service'];
  const remembering = protocols.flatMap((protocol) =>
    ctDirections.flatMap((ctDirection) =>
      flowEditions.map((edition): NftSet => {
        const name = flowSetName(protocol, family, ctDirection, edition);
        return { name, key, interval: false, elements: new Set(), records };
      }),
    ),
  );
  return [...remembering, flowChoice];
}

/** The packet's own header: source and destination of a reply are not exchanged here, because the guard asks more of a source than of a destination. */
function keyOf(protocol: Protocol, family: Family, ctDirection: CtDirection): Field[] {
  const { source, destination } = addressField[family];
  const port: Field = ctDirection === 'original' ? `${protocol} dport` : `${protocol} sport`;
  return ['iifname', outputDevice[family], source, destination, port];
}
