import { families, familyOf } from '../model/address.ts';
import type { Chain, NftRule, NftSet } from '../nftables/ruleset.ts';
import { valueOf } from './gate.ts';
import { addressRequestRules, linkControlRules, neighbourRules } from './link-control.ts';
import { addressField, compare, dropRule, isIn, isNotIn, jumpTo } from './match.ts';
import { chainNames, guardedIpsSetName, portSetNames, unguardedIpsSetName } from './names.ts';
import { addressSet } from './set-builder.ts';

/**
 * A veth of which nothing is known, on a bridge with a port that is: the port of a pod that starts, before its rules are there. With an
 * address of the gated ranges it meets the gate, with that of a pod whose port is not known its rules; what else it has may keep the link going,
 * and no more (S1.16, S7.5). Not every kernel can be asked which bridge a veth is on, so this holds towards known ports alone.
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

/** Of pods whose port is not known. */
export function unlinkedSets(addresses: readonly string[]): NftSet[] {
  return families.map((family) => {
    const ofFamily = addresses.filter((address) => familyOf(address) === family);
    return addressSet(unguardedIpsSetName[family], family, ofFamily);
  });
}

/** In front of a drop the port is looked up again: it may just have become known (S7.3). */
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
