import fc from 'fast-check';
import type {
  Element,
  NftSet,
  Operation,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../../src/nftables/ruleset.ts';
import { onBridge } from './load.ts';
import { chainNames, disjoint, element, elementVerdict, header, mapNames, rule, setNames } from './random-ruleset.ts';

/** Operations on a ruleset, about half of which the kernel takes. */
export function operations(ruleset: Ruleset): fc.Arbitrary<Operation[]> {
  const { bridge } = ruleset;
  const kinds = [
    ...operationsOn('inet', ruleset),
    ...(bridge ? operationsOn('bridge', bridge).map((each) => each.map((operation) => onBridge([operation])[0]!)) : []),
    fc.constantFrom<Operation[]>({ verb: 'add table', family: 'bridge' }, { verb: 'delete table', family: 'bridge' }),
  ];
  return fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 3 });
}

function operationsOn(family: TableFamily, table: Table): fc.Arbitrary<Operation>[] {
  const sets = [...table.sets.values()];
  const maps = [...table.maps.values()];
  const rules = fc.array(rule(family, sets, maps, chainNames), { maxLength: 2 });
  return [
    newSet.map((set) => ({ verb: 'add set', set })),
    newMap.map((map) => ({ verb: 'add map', map })),
    fc.record({ name: fc.constantFrom(...chainNames), rules }).map((chain) => ({ verb: 'add chain', chain })),
    fc
      .tuple(fc.constantFrom(...table.chains.values()), rules)
      .map(([chain, changed]) => ({ verb: 'replace rules', chain: { ...chain, rules: changed } })),
    nameOf(table.sets, setNames).map((name) => ({ verb: 'delete set', name })),
    nameOf(table.maps, mapNames).map((name) => ({ verb: 'delete map', name })),
    nameOf(table.chains, chainNames).map((name) => ({ verb: 'delete chain', name })),
    ...sets.flatMap(setOperations),
    ...maps.flatMap(mapOperations),
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
      .array(fc.tuple(element(each.key, each.interval), elementVerdict(chainNames)), { maxLength: 1 })
      .map((mappings) => ({ name, ...each, elements: new Map(mappings) })),
  );

function setOperations(set: NftSet): fc.Arbitrary<Operation>[] {
  return [
    some(element(set.key, set.interval)).map((elements) => ({ verb: 'add elements', set, elements })),
    some(presentOr(set)).map((elements) => ({ verb: 'delete elements', set, elements })),
  ];
}

function mapOperations(map: VerdictMap): fc.Arbitrary<Operation>[] {
  return [
    some(fc.tuple(presentOr(map), elementVerdict(chainNames))).map((mappings) => ({
      verb: 'add mappings',
      map,
      elements: new Map(mappings),
    })),
    some(presentOr(map)).map((elements) => ({ verb: 'delete mappings', map, elements })),
  ];
}

/** Mostly one that is there. */
function nameOf(present: ReadonlyMap<string, unknown>, names: readonly string[]): fc.Arbitrary<string> {
  const any = fc.constantFrom(...names);
  return present.size === 0
    ? any
    : fc.oneof({ arbitrary: fc.constantFrom(...present.keys()), weight: 9 }, { arbitrary: any, weight: 1 });
}

/** Mostly an element that is there. */
function presentOr({ key, interval, elements }: NftSet | VerdictMap): fc.Arbitrary<Element> {
  const any = element(key, interval);
  return elements.size === 0
    ? any
    : fc.oneof({ arbitrary: fc.constantFrom(...elements.keys()), weight: 9 }, { arbitrary: any, weight: 1 });
}

function some<T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(each, { minLength: 1, maxLength: 3 });
}
