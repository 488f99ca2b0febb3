import type { Chain, NftSet, Table, Verdict, VerdictMap } from './ruleset.ts';

/** Names of what a chain's rules or a map's elements refer to, once for each reference. A set refers to nothing. */
export function referencesOf(object: Chain | VerdictMap | NftSet): string[] {
  if ('rules' in object) {
    return object.rules.flatMap(({ matches, verdict }) => [
      ...matches.flatMap((match) => (match.kind === 'lookup' ? [match.set] : [])),
      ...referenceOf(verdict),
    ]);
  }
  return object.elements instanceof Map ? [...object.elements.values()].flatMap(referenceOf) : [];
}

function referenceOf(verdict: Verdict): string[] {
  if (verdict.kind === 'vmap') return [verdict.map];
  if (verdict.kind === 'record') return [verdict.set];
  return verdict.kind === 'jump' || verdict.kind === 'goto' ? [verdict.chain] : [];
}

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
