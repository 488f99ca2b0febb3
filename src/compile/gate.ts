import { addressBits, familyOf, type Family } from '../model/address.ts';
import type { Chain, NftRule } from '../nftables/ruleset.ts';
import { addressField, compare, dropRule, goTo } from './match.ts';
import { chainNames } from './names.ts';

/**
 * Chains for addresses that no local pod has. Addresses in the gated ranges go to the gate. The chains exist without ranges too, so that a
 * new range changes no other chain.
 * @param tunnels rules that drop tunnel packets to nodes
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

/** Packets on `lo` pass: a bridge has an address in its range, and the node may use it to connect to itself. */
export function gateChain(): Chain {
  return {
    name: chainNames.gate,
    rules: [{ matches: [compare('iifname', '==', 'lo')], verdict: { kind: 'accept' } }, dropRule()],
  };
}

/** A CIDR as nft prints it: without the prefix length for a single address. */
export function valueOf(range: string): string {
  const [address, length] = range.split('/') as [string, string];
  return Number(length) === addressBits[familyOf(range)] ? address : range;
}
