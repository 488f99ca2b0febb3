import type { Ruleset } from './ruleset.ts';

/** Names of what is in the table but not of our language: another program wrote it, or another version of ours. */
export function foreignNames({ sets, maps, chains }: Ruleset): string[] {
  const foreignChains = chains
    .values()
    .filter(({ rules }) => rules.some(({ matches }) => matches.some(({ kind }) => kind === 'foreign')));
  const foreignSets = [...sets.values(), ...maps.values()].filter(({ key }) => key.length === 0);
  return [...foreignChains, ...foreignSets].map(({ name }) => name);
}
