import { families, type Family } from '../model/address.ts';
import type { Chain, Match, NftRule } from '../nftables/ruleset.ts';
import { addressRequestRules, linkControlRules } from './link-control.ts';
import { addressField, compare, dropRule, goTo, isIn, isNotIn } from './match.ts';
import { chainNames, linkedSetName, linkSetNames, ownersSetName } from './names.ts';

/**
 * S1.15, S1.16: a pod's device lets in what comes from the pod's own addresses, and of the rest what keeps the link going. All of it
 * is judged after that: here passing is returning.
 *
 * Where a packet finds a device among the links, and its addresses not, the device may just have left (S7.3). So it is looked up again
 * in front of the drop, and may be a stranger by then.
 */
export function guardChains(): Chain[] {
  const links = linkSetNames;
  return [
    {
      name: chainNames.guard,
      rules: [
        ...strangerRules('destination'),
        { matches: [isIn(links.all, 'iifname')], verdict: goTo(chainNames.sources) },
        { matches: [], verdict: goTo(chainNames.strangers.source) },
      ],
    },
    { name: chainNames.sources, rules: [...ownerRules('source'), ...foreignSourceRules(links)] },
    linkControlChain(links.all),
    strangersChain('source'),
  ];
}

export function strangersChain(end: 'source' | 'destination'): Chain {
  return { name: chainNames.strangers[end], rules: strangerRules(end) };
}

/**
 * A device that is not known may be that of a pod whose rules are not there yet, and the rules of its address still those of the pod
 * before it. The owner is looked up again, since he may just have come; what he has costs one look-up.
 */
function strangerRules(end: 'source' | 'destination'): NftRule[] {
  const isOfPod = compare(end === 'source' ? 'meta iifkind' : 'meta oifkind', '==', 'veth');
  return families.map((family) => {
    const address = addressField[family][end];
    const isOfOther = isNotIn(ownersSetName[family], deviceField[end], address);
    return dropRule(isOfPod, isOfOther, isIn(linkedSetName[family], address), isOfOther);
  });
}

const deviceField = { source: 'iifname', destination: 'oifname' } as const;

/** For the devices' own addresses. */
export function ownerRules(end: 'source' | 'destination'): NftRule[] {
  const kind = end === 'source' ? 'return' : 'accept';
  return families.map((family) => {
    return { matches: [isIn(ownersSetName[family], deviceField[end], addressField[family][end])], verdict: { kind } };
  });
}

/** For other addresses of pods' devices: link-local ones are whose they say, and reach no further than the link. */
export function foreignSourceRules(names: { readonly all: string; readonly egress: string }): NftRule[] {
  const control = goTo(chainNames.linkControl);
  const isLinkLocal = compare('ip6 saddr', '==', 'fe80::/10');
  return [
    { matches: [isUnspecified('ipv4')], verdict: control },
    { matches: [isUnspecified('ipv6')], verdict: control },
    { matches: [isLinkLocal, isIn(names.egress, 'iifname')], verdict: control },
    { matches: [isLinkLocal], verdict: { kind: 'return' } },
    dropRule(isIn(names.all, 'iifname')),
    { matches: [], verdict: goTo(chainNames.strangers.source) },
  ];
}

export function linkControlChain(devices: string): Chain {
  const passes = { kind: 'return' } as const;
  return {
    name: chainNames.linkControl,
    rules: [...linkControlRules(passes), ...addressRequestRules(passes), dropRule(isIn(devices, 'iifname'))],
  };
}

function isUnspecified(family: Family): Match {
  return compare(addressField[family].source, '==', family === 'ipv4' ? '0.0.0.0' : '::');
}
