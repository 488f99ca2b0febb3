import { families, type Family } from '../model/address.ts';
import type { Chain, Match, NftRule } from '../nftables/ruleset.ts';
import { addressRequestRules, linkControlRules } from './link-control.ts';
import { addressField, compare, dropRule, goTo, isIn, isNotIn, jumpTo } from './match.ts';
import { chainNames, linkedSetName, linkSetNames, ownersSetName } from './names.ts';

/**
 * S1.15, S1.16: a pod's device lets in what comes from the pod's own addresses, and of the rest what keeps the link going. Most
 * packets pass by one look-up at each end. All of it is judged after that: here passing is returning.
 *
 * Look-ups of one packet may see different states (S7.3), so what was looked up is looked up again in front of a drop. A device that
 * is found among the links, and its address not, may just have come, or may have left and be a stranger by then.
 */
export function guardRules(hook: 'forward' | 'input'): NftRule[] {
  const sources = families.map((family) => {
    return { matches: [isOfOther('source', family)], verdict: jumpTo(chainNames.guard) };
  });
  // What is for the node goes to no device.
  return hook === 'input' ? sources : [...sources, ...destinationRules()];
}

/** What is for an address that has a device, and goes by another. */
export function destinationRules(): NftRule[] {
  return families.map((family) => {
    const isLinked = isIn(linkedSetName[family], addressField[family].destination);
    return { matches: [isOfOther('destination', family), isLinked], verdict: jumpTo(chainNames.strangers.destination) };
  });
}

export function guardChains(): Chain[] {
  const links = linkSetNames;
  return [
    {
      name: chainNames.guard,
      rules: [
        { matches: [isIn(links.all, 'iifname')], verdict: goTo(chainNames.sources) },
        { matches: [], verdict: goTo(chainNames.strangers.source) },
      ],
    },
    { name: chainNames.sources, rules: [...ownerRules('source'), ...foreignSourceRules(links)] },
    linkControlChain(links.all),
    strangersChain('source'),
    strangersChain('destination'),
  ];
}

export function strangersChain(end: 'source' | 'destination'): Chain {
  return { name: chainNames.strangers[end], rules: strangerRules(end) };
}

/**
 * A device that is not known may be that of a pod whose rules are not there yet, and the rules of its address still those of the pod
 * before it. The owner is looked up last, since he may just have come. One who goes is gone here: whatever leads here has not found him.
 */
function strangerRules(end: 'source' | 'destination'): NftRule[] {
  const isOfPod = compare(end === 'source' ? 'meta iifkind' : 'meta oifkind', '==', 'veth');
  return families.map((family) => {
    const address = addressField[family][end];
    const isLinked = isIn(linkedSetName[family], address);
    return dropRule(isLinked, isOfPod, isOfOther(end, family));
  });
}

function isOfOther(end: 'source' | 'destination', family: Family): Match {
  return isNotIn(ownersSetName[family], deviceField[end], addressField[family][end]);
}

const deviceField = { source: 'iifname', destination: 'oifname' } as const;

/** For the devices' own addresses. */
export function ownerRules(end: 'source' | 'destination'): NftRule[] {
  const kind = end === 'source' ? 'return' : 'accept';
  return families.map((family) => ({ matches: [isOwn(end, family)], verdict: { kind } }));
}

export function isOwn(end: 'source' | 'destination', family: Family): Match {
  return isIn(ownersSetName[family], deviceField[end], addressField[family][end]);
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
