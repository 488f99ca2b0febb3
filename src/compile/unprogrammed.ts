import { families, familyOf } from '../model/address.ts';
import type { Chain, NftRule, NftSet } from '../nftables/ruleset.ts';
import { valueOf } from './gate.ts';
import { addressRequestRules, linkControlRules, neighbourRules } from './link-control.ts';
import { addressField, compare, dropRule, isIn, isNotIn, jumpTo } from './match.ts';
import { chainNames, guardedIpsSetName, portSetNames, unguardedIpsSetName } from './names.ts';
import { addressSet } from './set-builder.ts';

/**
 * Rules for an unknown veth on a bridge with a known port: it may be the port of a starting pod whose rules are not programmed yet. An address of the
 * gated ranges meets the gate. An address of a pod with an unknown port meets that pod's rules. With any other address, only link control
 * passes (S1.16, S7.5). Not every kernel can match the bridge of a veth, so these rules apply only to frames from or to known ports.
 */
export function unprogrammedJumps(): NftRule[] {
  const { source, destination } = chainNames.unprogrammed;
  const [from, to] = [isNotIn(portSetNames.all, 'iifname'), isNotIn(portSetNames.all, 'oifname')];
  return [
    {
      matches: [from, compare('meta iifkind', '==', 'veth'), isIn(portSetNames.all, 'oifname')],
      verdict: jumpTo(source),
    },
    {
      matches: [to, compare('meta oifkind', '==', 'veth'), isIn(portSetNames.all, 'iifname')],
      verdict: jumpTo(destination),
    },
  ];
}

/** Sets of the addresses of pods whose port is unknown. */
export function unlinkedSets(addresses: readonly string[]): NftSet[] {
  return families.map((family) => {
    const ofFamily = addresses.filter((address) => familyOf(address) === family);
    return addressSet(unguardedIpsSetName[family], family, ofFamily);
  });
}

/** The rules look up the port again before they drop: a transaction may just have added it (S7.3). */
export function unprogrammedChains(gatedRanges: readonly string[], allowsRouters: boolean): Chain[] {
  const { source, destination } = chainNames.unprogrammed;
  const passes = { kind: 'return' } as const;
  const isStillUnknown = isNotIn(portSetNames.all, 'iifname');
  const ipv4Ranges = gatedRanges.filter((range) => familyOf(range) === 'ipv4');
  return [
    {
      name: source,
      rules: [
        dropRule(isIn(guardedIpsSetName.ipv4, 'arp saddr ip'), isStillUnknown),
        { matches: [isIn(unguardedIpsSetName.ipv4, 'arp saddr ip')], verdict: passes },
        ...[...ipv4Ranges.map(valueOf), '0.0.0.0'].map((sender) => {
          return { matches: [compare('arp saddr ip', '==', sender)], verdict: passes };
        }),
        ...linkRules('source', gatedRanges, allowsRouters),
        dropRule(isStillUnknown),
      ],
    },
    {
      name: destination,
      rules: [
        { matches: [compare('ether type', '==', 'arp')], verdict: passes },
        ...linkRules('destination', gatedRanges, allowsRouters),
        dropRule(isNotIn(portSetNames.all, 'oifname')),
      ],
    },
  ];
}

function linkRules(end: 'source' | 'destination', gatedRanges: readonly string[], allowsRouters: boolean): NftRule[] {
  const passes = { kind: 'return' } as const;
  return [
    ...families.map((family) => {
      return { matches: [isIn(unguardedIpsSetName[family], addressField[family][end])], verdict: passes };
    }),
    ...gatedRanges.map((range) => {
      return { matches: [compare(addressField[familyOf(range)][end], '==', valueOf(range))], verdict: passes };
    }),
    ...(allowsRouters ? [...linkControlRules(passes), ...addressRequestRules(passes)] : neighbourRules(passes)),
  ];
}
