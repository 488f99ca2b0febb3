import { isName } from './name.ts';
import type { Chain, NftSet, Ruleset, Table, VerdictMap } from './ruleset.ts';

/** Names of objects in Postern's tables that this version cannot have written: another program or another version wrote them. */
export function foreignNames(ruleset: Ruleset): string[] {
  return Object.values(ruleset).flatMap(foreignIn);
}

/** The same for one table. */
export function foreignIn({ sets, maps, chains, others = [] }: Table): string[] {
  const foreign = [...chains.values(), ...sets.values(), ...maps.values()].filter(isForeign);
  return [...foreign, ...others].map(({ name }) => name);
}

/** A name that nft cannot write counts as foreign: nft itself takes such names in JSON, and in a script they would be other commands. */
export function isForeign(object: Chain | NftSet | VerdictMap): boolean {
  if (!isName(object.name)) return true;
  if (!('rules' in object)) return object.key.length === 0;
  return object.rules.some(({ matches }) => matches.some(({ kind }) => kind === 'foreign'));
}
