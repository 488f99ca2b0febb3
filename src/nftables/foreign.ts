import type { Chain, NftSet, Ruleset, Table, VerdictMap } from './ruleset.ts';

/** Names of what is in our tables but not of our language: another program wrote it, or another version of ours. */
export function foreignNames(ruleset: Ruleset): string[] {
  return Object.values(ruleset).flatMap(foreignIn);
}

/** The same for one table. */
export function foreignIn({ sets, maps, chains }: Table): string[] {
  return [...namesAmong(chains), ...namesAmong(sets), ...namesAmong(maps)];
}

type Named = Chain | NftSet | VerdictMap;

/** Most changes leave chains and maps as they are. */
const seen = new WeakMap<ReadonlyMap<string, Named>, readonly string[]>();

function namesAmong(objects: ReadonlyMap<string, Named>): readonly string[] {
  let names = seen.get(objects);
  if (!names) seen.set(objects, (names = [...objects.values()].filter(isForeign).map(({ name }) => name)));
  return names;
}

function isForeign(object: Named): boolean {
  if (!('rules' in object)) return object.key.length === 0;
  return object.rules.some(({ matches }) => matches.some(({ kind }) => kind === 'foreign'));
}
