import fc from 'fast-check';
import type {
  Change,
  Element,
  NftSet,
  Operation,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { catchAll, tableFamilies } from '../../src/nftables/ruleset.ts';
import { on } from './load.ts';
import { makeTable } from './make-table.ts';
import { disjoint, element, header } from './random-element.ts';
import { elementVerdict, rule } from './random-rule.ts';
import { chainNames, mapNames, setNames } from './random-ruleset.ts';

/** Operations on a ruleset, about half of which the kernel takes. */
export function operations(ruleset: Ruleset): fc.Arbitrary<Operation[]> {
  const kinds = tableFamilies.flatMap((family) =>
    scriptsOn(family, ruleset[family]).map((script) => script.map((changes) => on(family, changes))),
  );
  return fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 3 }).map((scripts) => scripts.flat());
}

/** Operations that netlink can write, about half of which the kernel takes. */
export function netlinkOperations(ruleset: Ruleset): fc.Arbitrary<Operation[]> {
  const changes = tableFamilies.flatMap((family) => {
    const sets = [...(ruleset[family]?.sets.values() ?? [])].filter(({ interval, records }) => !interval && !records);
    const maps = [...(ruleset[family]?.maps.values() ?? [])].filter(({ interval }) => !interval);
    const named = ruleset[family] ? namingChanges(ruleset[family]) : [];
    return [...sets.flatMap(setChanges), ...maps.flatMap(mapChanges), ...named].map((each) =>
      each.map((change): Operation => ({ family, ...change })),
    );
  });
  if (changes.length === 0) return fc.constant([]);
  // An addition of elements in a script of nft declares the set too, so nft would make it again. No plan adds to what it has deleted.
  return fc.array(fc.oneof(...changes), { minLength: 1, maxLength: 5 }).filter((all) => !addsToDeleted(all));
}

function addsToDeleted(all: readonly Operation[]): boolean {
  const deleted = new Set<string>();
  return all.some((each) => {
    if (each.verb === 'delete set' || each.verb === 'delete map') deleted.add(`${each.family} ${each.name}`);
    const name =
      each.verb === 'add elements' ? each.set.name : each.verb === 'add mappings' ? each.map.name : undefined;
    return name !== undefined && deleted.has(`${each.family} ${name}`);
  });
}

function scriptsOn(family: TableFamily, table: Table | undefined): fc.Arbitrary<Change[]>[] {
  const whole = fc.constantFrom<Change>({ verb: 'add table' }, { verb: 'replace table' });
  const changes = changesOf(family, table ?? makeTable([], [], [{ name: 'c0', rules: [] }]));
  if (table) return [whole, ...changes].map((each) => each.map((change) => [change]));
  // Most of what is asked of a table that is not there is refused; after it is added, some is not.
  const added = fc.tuple(fc.constant<Change>({ verb: 'add table' }), fc.oneof(...changes));
  return [whole.map((change) => [change]), fc.oneof(...changes).map((change) => [change]), added];
}

function changesOf(family: TableFamily, table: Table): fc.Arbitrary<Change>[] {
  const sets = [...table.sets.values()];
  const maps = [...table.maps.values()];
  const rules = fc.array(rule({ family, sets, maps, chains: chainNames }), { maxLength: 2 });
  return [
    newSet.map((set) => ({ verb: 'add set', set })),
    newMap.map((map) => ({ verb: 'add map', map })),
    fc.record({ name: fc.constantFrom(...chainNames), rules }).map((chain) => ({ verb: 'add chain', chain })),
    fc
      .tuple(fc.constantFrom(...table.chains.values()), rules)
      .map(([chain, changed]) => ({ verb: 'replace rules', chain: { ...chain, rules: changed } })),
    ...namingChanges(table),
    // Packets alone fill a set of records.
    ...sets.filter(({ records }) => !records).flatMap(setChanges),
    ...maps.flatMap(mapChanges),
  ];
}

/** Changes that say no more than the name of an object. */
function namingChanges(table: Table): fc.Arbitrary<Change>[] {
  return [
    nameOf(table.sets, setNames).map((name) => ({ verb: 'flush set', name })),
    nameOf(table.sets, setNames).map((name) => ({ verb: 'delete set', name })),
    nameOf(table.maps, mapNames).map((name) => ({ verb: 'delete map', name })),
    nameOf(table.chains, chainNames).map((name) => ({ verb: 'flush chain', name })),
    nameOf(table.chains, chainNames).map((name) => ({ verb: 'delete chain', name })),
    fc.constantFrom(...chainNames).map((name) => ({ verb: 'add chain', chain: { name, rules: [] } })),
  ];
}

const newSet: fc.Arbitrary<NftSet> = fc
  .tuple(fc.constantFrom(...setNames), header)
  .chain(([name, each]) =>
    fc
      .array(element(each.key, each.interval), { maxLength: 2 })
      .map((elements) => ({ name, ...each, elements: new Set(disjoint(each.key, elements)) })),
  );

const newMap: fc.Arbitrary<VerdictMap> = fc
  .tuple(fc.constantFrom(...mapNames), header)
  .chain(([name, each]) =>
    fc
      .array(fc.tuple(mapElement(each), elementVerdict(chainNames)), { maxLength: 1 })
      .map((mappings) => ({ name, ...each, elements: new Map(mappings) })),
  );

function setChanges(set: NftSet): fc.Arbitrary<Change>[] {
  return [
    some(element(set.key, set.interval)).map((elements) => ({ verb: 'add elements', set, elements })),
    some(presentOr(set)).map((elements) => ({ verb: 'delete elements', set, elements })),
  ];
}

function mapChanges(map: VerdictMap): fc.Arbitrary<Change>[] {
  return [
    some(fc.tuple(presentOr(map, mapElement(map)), elementVerdict(chainNames))).map((mappings) => ({
      verb: 'add mappings',
      map,
      elements: new Map(mappings),
    })),
    some(presentOr(map, mapElement(map))).map((elements) => ({ verb: 'delete mappings', map, elements })),
  ];
}

function mapElement({ key, interval }: Pick<VerdictMap, 'key' | 'interval'>): fc.Arbitrary<Element> {
  const own = element(key, interval);
  if (interval) return own;
  return fc.oneof({ arbitrary: own, weight: 4 }, { arbitrary: fc.constant(catchAll), weight: 1 });
}

/** Mostly one that is there. */
function nameOf(present: ReadonlyMap<string, unknown>, names: readonly string[]): fc.Arbitrary<string> {
  const any = fc.constantFrom(...names);
  return present.size === 0
    ? any
    : fc.oneof({ arbitrary: fc.constantFrom(...present.keys()), weight: 9 }, { arbitrary: any, weight: 1 });
}

/** Mostly an element that is there. */
function presentOr(
  { key, interval, elements }: NftSet | VerdictMap,
  any: fc.Arbitrary<Element> = element(key, interval),
): fc.Arbitrary<Element> {
  return elements.size === 0
    ? any
    : fc.oneof({ arbitrary: fc.constantFrom(...elements.keys()), weight: 9 }, { arbitrary: any, weight: 1 });
}

function some<T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(each, { minLength: 1, maxLength: 3 });
}
