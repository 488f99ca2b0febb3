import { referencesOf } from '../../src/nftables/references.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';

/** Names that rules and maps of a table refer to, and that the table does not have: `bridge ingress-…`. */
export function danglingIn(ruleset: Ruleset): string[] {
  return Object.entries(ruleset).flatMap(([family, { sets, maps, chains }]) => {
    const names = new Set([...sets.keys(), ...maps.keys(), ...chains.keys()]);
    const read = [...chains.values(), ...maps.values()].flatMap(referencesOf);
    return [...new Set(read)].filter((name) => !names.has(name)).map((name) => `${family} ${name}`);
  });
}
