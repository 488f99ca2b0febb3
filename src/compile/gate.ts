import { addressBits, familyOf, type Family } from '../model/address.ts';
import type { Chain, NftRule } from '../nftables/ruleset.ts';
import { addressField, compare, dropRule, goTo } from './match.ts';
import { chainNames } from './names.ts';

/**
 * For addresses that are no local pod's: those of the family's gated ranges are nobody's yet. Without ranges the chains are there too, so
 * that a range that comes changes nothing else.
 * @param tunnels rules for what goes to nodes
 */
export function nonlocalChains(ranges: readonly string[], family: Family, tunnels: readonly NftRule[]): Chain[] {
  return (['source', 'destination'] as const).map((end) => {
    const field = addressField[family][end];
    const rules = ranges.map((range): NftRule => {
      return { matches: [compare(field, '==', valueOf(range))], verdict: goTo(chainNames.gate) };
    });
    return { name: chainNames.nonlocal[end], rules: [...rules, ...(end === 'destination' ? tunnels : [])] };
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
