import type { Chain, Ruleset, Table } from './ruleset.ts';

/** Names of what is in our tables but not of our language: another program wrote it, or another version of ours. */
export function foreignNames(ruleset: Ruleset): string[] {
  return [...foreignIn(ruleset), ...(ruleset.bridge ? foreignIn(ruleset.bridge) : [])];
}

/** The same for one table. */
export function foreignIn({ sets, maps, chains }: Table): string[] {
  const foreignChains = chains.values().filter(isForeign);
  const foreignSets = [...sets.values(), ...maps.values()].filter(({ key }) => key.length === 0);
  return [...foreignChains, ...foreignSets].map(({ name }) => name);
}

const seen = new WeakMap<Chain, boolean>();

function isForeign(chain: Chain): boolean {
  let answer = seen.get(chain);
  if (answer === undefined) {
    answer = chain.rules.some(({ matches }) => matches.some(({ kind }) => kind === 'foreign'));
    seen.set(chain, answer);
  }
  return answer;
}
