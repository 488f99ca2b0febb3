import { referencesOf } from '../../../src/nftables/references.ts';
import type { Chain, Table } from '../../../src/nftables/ruleset.ts';

/** Maximum depth of nested chains, including the base chain: 16 (NFT_JUMP_STACK_SIZE). */
const maximumDepth = 16;

/** Finds a base chain with jumps, also by maps, that form a loop or exceed the kernel's depth. Unreachable chains may have such jumps. */
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
