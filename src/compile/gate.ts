import { addressBits, familyOf } from '../model/address.ts';
import type { Direction } from '../model/policy.ts';
import type { Chain, NftRule } from '../nftables/ruleset.ts';
import { compare, dropRule, endFields, goTo } from './match.ts';
import { chainNames, type Orientation } from './names.ts';

/** For addresses of gated ranges that are no local pod's. */
export function gateRules(ranges: readonly string[], direction: Direction, orientation: Orientation): NftRule[] {
  return ranges.map((range) => {
    const { pod } = endFields(direction, familyOf(range), orientation);
    return { matches: [compare(pod, '==', valueOf(range))], verdict: goTo(chainNames.gate) };
  });
}

/** A bridge has an address of the range that it serves, and by that the node may talk to itself. */
export function gateChain(): Chain {
  return {
    name: chainNames.gate,
    rules: [{ matches: [compare('iifname', '==', 'lo')], verdict: { kind: 'accept' } }, dropRule()],
  };
}

/** A range as nft lists it. */
export function valueOf(range: string): string {
  const [address, length] = range.split('/') as [string, string];
  return Number(length) === addressBits[familyOf(range)] ? address : range;
}
