import { shortHash } from '../lib/hash.ts';
import { VersionedMap } from '../lib/versioned-map.ts';
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
import { chainTarget, isPartOfChain, nextOf, readsOf, readsWithEditions } from './reads.ts';

/**
 * First names of the sets that are in their second edition. If packets must not see two changes mixed, the plan writes a set anew under another
 * name, its other edition. Two editions are enough: the last stage deletes the unused one. compile does not know editions.
 */
export type Editions = ReadonlySet<string>;

const mark = '/2';

export function secondEdition(name: string): string {
  return name + mark;
}

export function firstEdition(name: string): string {
  return name.endsWith(mark) ? name.slice(0, -mark.length) : name;
}

/** Finds the sets of a table that are in their second edition, by the chains that read them. Returns their first names. */
export function editionsIn({ chains }: Table): Editions {
  let editions = editionsOf.get(chains);
  if (!editions) {
    const reads = chains.values().flatMap((chain) => readsOf(chain));
    editions = new Set(reads.filter((name) => name.endsWith(mark)).map(firstEdition));
    editionsOf.set(chains, editions);
  }
  return editions;
}

/** Most changes touch no chain, so the next plan has the same map of chains. This holds for `lastNamed` too. */
const editionsOf = new WeakMap<Table['chains'], Editions>();

/** Renames the given sets to their second edition. The chains that read them, and the maps that are part of these chains, get new names too. */
export function inEditions(table: Table, editions: Editions): Table {
  if (![...editions].some((name) => table.sets.has(name))) {
    lastNamed.delete(table.chains);
    return table;
  }
  const known = lastNamed.get(table.chains);
  const isKnown = known?.of.maps === table.maps && known.editions.symmetricDifference(editions).size === 0;
  const sets = isKnown ? renameChanged(table.sets, known, editions) : renameSets(table.sets, editions);
  if (isKnown && sets === known.named.sets) return known.named;
  const named = { ...(isKnown ? known.named : renameParts(table, editions)), sets };
  lastNamed.set(table.chains, { of: table, editions: new Set(editions), named });
  return named;
}

interface Named {
  readonly of: Table;
  readonly editions: Editions;
  readonly named: Table & { readonly sets: VersionedMap<string, NftSet> };
}

/** By the chains of a table. It must not keep a table that later plans do not name: the table would keep all changes of sets since then. */
const lastNamed = new WeakMap<Table['chains'], Named>();

function renameSets(sets: Table['sets'], editions: Editions): VersionedMap<string, NftSet> {
  return new VersionedMap(new Map(sets.values().map((set) => namedSet(set, editions))));
}

/** The cost is that of the sets that have changed since the last time. */
function renameChanged(sets: Table['sets'], { of, named }: Named, editions: Editions): VersionedMap<string, NftSet> {
  const changed = of.sets instanceof VersionedMap ? of.sets.keysChangedIn(sets) : undefined;
  if (!changed) return renameSets(sets, editions);
  return named.sets.with(Array.from(changed, (name) => namedSet(sets.get(name)!, editions)));
}

function namedSet(set: NftSet, editions: Editions): [string, NftSet] {
  const named = editions.has(set.name) ? renamedSet(set) : set;
  return [named.name, named];
}

function renameParts(table: Table, editions: Editions): Pick<Table, 'maps' | 'chains'> {
  const markOf = marksOf(table, editions);
  const chainName = (name: string): string => name + markOf(table.chains.get(name));
  const mapName = (name: string): string => (isPartOfChain(name) ? name + markOf(table.maps.get(name)) : name);
  const setName = (name: string): string => (editions.has(name) ? secondEdition(name) : name);
  const names = { setName, mapName, chainName };
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
  return { maps, chains };
}

/**
 * Suffixes that encode the edition of each set that packets look up from a chain on, or behind a port map. That of a chain is made of the suffixes of those
 * that it leads to. So each is worked out once, however many lead to it.
 */
function marksOf(table: Table, editions: Editions): (object: Chain | VerdictMap | undefined) => string {
  const marks = new Map<Chain | VerdictMap, string>();
  const markOf = (object: Chain | VerdictMap | undefined): string => {
    if (!object) return '';
    let suffix = marks.get(object);
    if (suffix === undefined) {
      const parts = 'rules' in object ? [...readsWithEditions(object)].map(markOfRead) : [];
      const targets = 'rules' in object ? nextOf(object) : [...new Set(object.elements.values().map(chainTarget))];
      for (const target of targets) parts.push(markOf(table.chains.get(target ?? '')));
      suffix = parts.some((part) => part !== '') ? `/${shortHash(parts.join())}` : '';
      marks.set(object, suffix);
    }
    return suffix;
  };
  const markOfRead = (name: string): string =>
    isPartOfChain(name) ? markOf(table.maps.get(name)) : editions.has(name) ? mark : '';
  return markOf;
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
