import { shortHash } from '../lib/hash.ts';
import type {
  Chain,
  Element,
  ElementVerdict,
  NftRule,
  NftSet,
  Table,
  Verdict,
  VerdictMap,
} from '../nftables/ruleset.ts';
import { isPartOfChain, readsOfMap, readsThrough } from './reads.ts';

/**
 * First names of the sets that are in their second edition. If packets must not see two changes mixed, the plan writes a set anew under another
 * name, its other edition. Two editions are enough: the last stage deletes the unused one. compile does not know editions.
 */
export type Editions = ReadonlySet<string>;

const mark = '/2';

export function secondEdition(name: string): string {
  return name + mark;
}

/** Finds the sets of a table that are in their second edition. Returns their first names. */
export function editionsIn(table: Table): Set<string> {
  const editions = new Set<string>();
  for (const name of table.sets.keys()) if (name.endsWith(mark)) editions.add(name.slice(0, -mark.length));
  return editions;
}

/** Renames the given sets to their second edition. The chains that read them, and the maps that are part of these chains, get new names too. */
export function inEditions(table: Table, editions: Editions): Table {
  if (![...editions].some((name) => table.sets.has(name))) return table;
  const chainName = (name: string): string => {
    const chain = table.chains.get(name);
    return chain ? name + markOf(readsThrough(chain, table), editions) : name;
  };
  const mapName = (name: string): string => {
    const map = isPartOfChain(name) ? table.maps.get(name) : undefined;
    return map ? name + markOf(readsOfMap(map, table), editions) : name;
  };
  const setName = (name: string): string => (editions.has(name) ? secondEdition(name) : name);
  const names = { setName, mapName, chainName };
  const sets = new Map<string, NftSet>();
  for (const set of table.sets.values()) {
    const named = editions.has(set.name) ? renamedSet(set) : set;
    sets.set(named.name, named);
  }
  const chains = new Map<string, Chain>();
  for (const chain of table.chains.values()) {
    const name = chainName(chain.name);
    const rules = name === chain.name ? chain.rules : chain.rules.map((rule) => renameRule(rule, names));
    chains.set(name, rules === chain.rules ? chain : { ...chain, name, rules });
  }
  const maps = new Map<string, VerdictMap>();
  for (const map of table.maps.values()) {
    const name = mapName(map.name);
    maps.set(
      name,
      isPartOfChain(name) && name === map.name ? map : { ...map, name, elements: renameTargets(map, chainName) },
    );
  }
  return { sets, maps, chains };
}

/** A suffix that encodes the edition of each set that the chain reads. */
function markOf(reads: ReadonlySet<string>, editions: Editions): string {
  const bits = [...reads].map((name) => (editions.has(name) ? '1' : '0')).join('');
  return bits.includes('1') ? `/${shortHash(bits)}` : '';
}

interface Names {
  readonly setName: (name: string) => string;
  readonly mapName: (name: string) => string;
  readonly chainName: (name: string) => string;
}

export function renameRule({ matches, verdict, ...rest }: NftRule, names: Names): NftRule {
  return {
    ...rest,
    matches: matches.map((match) => (match.kind === 'lookup' ? { ...match, set: names.setName(match.set) } : match)),
    verdict: renameVerdict(verdict, names),
  };
}

function renameVerdict(verdict: Verdict, { setName, mapName, chainName }: Names): Verdict {
  switch (verdict.kind) {
    case 'vmap':
      return { ...verdict, map: mapName(verdict.map) };
    case 'record':
    case 'remember':
      return { ...verdict, set: setName(verdict.set) };
    case 'jump':
    case 'goto':
      return { ...verdict, chain: chainName(verdict.chain) };
    default:
      return verdict;
  }
}

export function renameTargets(
  { elements }: VerdictMap,
  chainName: (name: string) => string,
): Map<Element, ElementVerdict> {
  return new Map(
    [...elements].map(([key, verdict]) => [
      key,
      'chain' in verdict ? { ...verdict, chain: chainName(verdict.chain) } : verdict,
    ]),
  );
}

const renamed = new WeakMap<NftSet, NftSet>();

/** Returns the same copy for the same set, so that the plan need not compare its elements. */
function renamedSet(set: NftSet): NftSet {
  let copy = renamed.get(set);
  if (!copy) renamed.set(set, (copy = { ...set, name: secondEdition(set.name) }));
  return copy;
}
