import { referencesOf } from '../../../src/nftables/references.ts';
import type { Chain, Table } from '../../../src/nftables/ruleset.ts';

/** The most chains that a packet can pass one inside the other, itself included: 16 (NFT_JUMP_STACK_SIZE). */
const maximumDepth = 16;

/** A base chain under which jumps, also by maps, go in a circle or deeper than the kernel takes. Other chains may. */
export function findDeepChain(table: Table): Chain | undefined {
  const depths = new Map<string, number>();
  const depth = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    depths.set(name, Infinity);
    const chain = table.chains.get(name);
    const object = chain ?? table.maps.get(name);
    const below = object ? Math.max(0, ...new Set(referencesOf(object).map(depth))) : 0;
    const result = below + (chain ? 1 : 0);
    depths.set(name, result);
    return result;
  };
  return [...table.chains.values()].find((chain) => chain.base && depth(chain.name) > maximumDepth);
}
