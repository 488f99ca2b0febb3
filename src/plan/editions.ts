import type { Chain, ElementVerdict, NftRule, NftSet, Table, VerdictMap } from '../nftables/ruleset.ts';
import { readsOf } from './reads.ts';

/**
 * Where a change may not be seen mixed with another, a set is written anew under another name: its other edition. Two editions
 * are enough, since the one that is not in use is deleted at the end of the change. The plan alone knows of them: whoever compiles
 * names a set once.
 */
export type Editions = ReadonlySet<string>;

const mark = '/2';

export function secondEdition(name: string): string {
  return name + mark;
}

/** The sets of a rule set that are in use in their second edition, by their first name. */
export function editionsIn(table: Table): Set<string> {
  const editions = new Set<string>();
  for (const name of table.sets.keys()) if (name.endsWith(mark)) editions.add(name.slice(0, -mark.length));
  return editions;
}

/** The rule set with the given sets in their second edition, and the chains that read them under names of their own. */
export function inEditions(table: Table, editions: Editions): Table {
  if (![...editions].some((name) => table.sets.has(name))) return table;
  const chainName = (name: string): string => {
    const chain = table.chains.get(name);
    return chain ? name + chainMark(chain, editions) : name;
  };
  const verdict = (each: ElementVerdict): ElementVerdict =>
    'chain' in each ? { ...each, chain: chainName(each.chain) } : each;
  const sets = new Map<string, NftSet>();
  for (const set of table.sets.values()) {
    const named = editions.has(set.name) ? renamedSet(set) : set;
    sets.set(named.name, named);
  }
  const chains = new Map<string, Chain>();
  for (const chain of table.chains.values()) {
    const reads = readsOf(chain);
    const named = [...reads].some((name) => editions.has(name))
      ? { ...chain, name: chainName(chain.name), rules: chain.rules.map((rule) => renameRule(rule, editions)) }
      : chain;
    chains.set(named.name, named);
  }
  const maps = new Map<string, VerdictMap>();
  for (const map of table.maps.values()) {
    maps.set(map.name, { ...map, elements: new Map([...map.elements].map(([key, each]) => [key, verdict(each)])) });
  }
  return { sets, maps, chains };
}

/** One bit a set that the chain reads: which edition. */
function chainMark(chain: Chain, editions: Editions): string {
  const bits = [...readsOf(chain)].map((name) => (editions.has(name) ? '1' : '0')).join('');
  return bits.includes('1') ? `/${Number.parseInt(bits, 2).toString(36)}` : '';
}

function renameRule(rule: NftRule, editions: Editions): NftRule {
  const matches = rule.matches.map((match) =>
    match.kind === 'lookup' && editions.has(match.set) ? { ...match, set: secondEdition(match.set) } : match,
  );
  return { ...rule, matches };
}

const renamed = new WeakMap<NftSet, NftSet>();

/** The same object for the same set each time, so that the plan need not compare them again. */
function renamedSet(set: NftSet): NftSet {
  let copy = renamed.get(set);
  if (!copy) renamed.set(set, (copy = { ...set, name: secondEdition(set.name) }));
  return copy;
}
