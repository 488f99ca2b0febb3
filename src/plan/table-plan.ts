import { elementsMissing } from '../nftables/element-changes.ts';
import { foreignIn } from '../nftables/foreign.ts';
import { referencesOf } from '../nftables/references.ts';
import type {
  Chain,
  Change,
  Element,
  ElementVerdict,
  NftSet,
  StageName,
  Table,
  VerdictMap,
} from '../nftables/ruleset.ts';
import { chooseEditions, sameVerdict } from './conflicts.ts';
import { inEditions } from './editions.ts';
import { reachableNames } from './reads.ts';

/** What happens to one table, and what it holds then. */
export type TablePlan<Result = Table> = Readonly<Record<StageName, readonly Change[]>> & { readonly result: Result };

const emptyTable: Table = { sets: new Map(), maps: new Map(), chains: new Map() };

/** As `planStages`, for one table. */
export function planTable(desired: Table, applied: Table | undefined): TablePlan {
  const before = applied ?? emptyTable;
  if (isBeyondRepair(desired, before)) return planRewrite(desired);
  const result = inEditions(desired, chooseEditions(desired, before));
  return {
    make: [...(applied ? [] : [{ verb: 'add table' } as const]), ...makeOperations(result, before)],
    switch: switchOperations(result, before),
    break: breakOperations(result, before),
    result,
  };
}

/**
 * Another program has been at our table, or a version of ours that declares its objects otherwise: such an object cannot be changed
 * step by step, and what it refers to is not known. One transaction writes all of it anew.
 */
function planRewrite(desired: Table): TablePlan {
  const operations: Change[] = [
    { verb: 'replace table' },
    ...makeOperations(desired, emptyTable),
    ...switchOperations(desired, emptyTable),
  ];
  return { make: [], switch: operations, break: [], result: desired };
}

function isBeyondRepair(desired: Table, applied: Table): boolean {
  if (foreignIn(applied).length > 0) return true;
  const isOther = (wanted: NftSet | VerdictMap | Chain, held: NftSet | VerdictMap | Chain | undefined): boolean =>
    held !== undefined && held !== wanted && headerOf(held) !== headerOf(wanted);
  const heldOf = (name: string) => applied.sets.get(name) ?? applied.maps.get(name) ?? applied.chains.get(name);
  const kinds = ['sets', 'maps', 'chains'] as const;
  return kinds.some((kind) =>
    others<NftSet | VerdictMap | Chain>(desired[kind], applied[kind]).some((each) => isOther(each, heldOf(each.name))),
  );
}

function headerOf(object: NftSet | VerdictMap | Chain): string {
  return JSON.stringify(
    'rules' in object ? object.base : [object.key, object.interval, 'records' in object && object.records],
  );
}

/** As `planSweep`, for one table. */
export function sweepTable(applied: Table): TablePlan {
  const nothing = { make: [], switch: [], break: [] };
  // What a foreign rule refers to is not known, and the next plan writes all anew.
  if (foreignIn(applied).length > 0) return { ...nothing, result: applied };
  const reachable = reachableNames(applied);
  const keep = <T>(objects: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map([...objects].filter(([name]) => reachable.has(name)));
  const result: Table = { sets: keep(applied.sets), maps: keep(applied.maps), chains: keep(applied.chains) };
  return { ...nothing, break: deletions(result, applied), result };
}

function makeOperations(desired: Table, before: Table): Change[] {
  const operations: Change[] = [];
  for (const set of added(desired.sets, before.sets)) operations.push({ verb: 'add set', set });
  for (const object of inReferenceOrder(
    added(desired.chains, before.chains).filter((chain) => !chain.base),
    added(desired.maps, before.maps),
  )) {
    operations.push('rules' in object ? { verb: 'add chain', chain: object } : { verb: 'add map', map: object });
  }
  return operations;
}

function switchOperations(desired: Table, before: Table): Change[] {
  const operations: Change[] = [];
  for (const set of others(desired.sets, before.sets)) {
    const elements = missingElements(set, before.sets.get(set.name));
    if (elements.length > 0) operations.push({ verb: 'add elements', set, elements });
  }
  const mappings = others(desired.maps, before.maps).map((map) => mappingOperations(map, before.maps.get(map.name)));
  // What leaves goes first for all maps, so that all that comes stands together: a script is cheaper so.
  operations.unshift(...mappings.flatMap(({ leaving }) => leaving));
  operations.push(...mappings.flatMap(({ coming }) => coming));
  for (const chain of others(desired.chains, before.chains)) {
    const known = before.chains.get(chain.name);
    if (known && !sameRules(known, chain)) operations.push({ verb: 'replace rules', chain });
  }
  // Last: on first load packets meet nothing of ours until all of it is there (S5.18).
  for (const chain of added(desired.chains, before.chains))
    if (chain.base) operations.push({ verb: 'add chain', chain });
  return operations;
}

function breakOperations(desired: Table, before: Table): Change[] {
  const operations: Change[] = [];
  for (const set of others(before.sets, desired.sets)) {
    const after = desired.sets.get(set.name);
    const elements = after ? missingElements(set, after) : [];
    if (elements.length > 0) operations.push({ verb: 'delete elements', set, elements });
  }
  return [...operations, ...deletions(desired, before)];
}

function deletions(desired: Table, before: Table): Change[] {
  const objects = inReferenceOrder(added(before.chains, desired.chains), added(before.maps, desired.maps)).toReversed();
  return [
    ...objects.map(
      (object) => ({ verb: 'rules' in object ? 'delete chain' : 'delete map', name: object.name }) as const,
    ),
    ...added(before.sets, desired.sets).map(({ name }) => ({ verb: 'delete set', name }) as const),
  ];
}

function mappingOperations(
  map: VerdictMap,
  before: VerdictMap | undefined,
): { leaving: readonly Change[]; coming: readonly Change[] } {
  if (!before) return { leaving: [], coming: [] };
  const leaving: Element[] = [];
  const coming = new Map<Element, ElementVerdict>();
  for (const [key, verdict] of map.elements) {
    const known = before.elements.get(key);
    if (known && sameVerdict(known, verdict)) continue;
    if (known) leaving.push(key);
    coming.set(key, verdict);
  }
  for (const key of before.elements.keys()) if (!map.elements.has(key)) leaving.push(key);
  return {
    leaving: leaving.length > 0 ? [{ verb: 'delete mappings', map, elements: leaving }] : [],
    coming: coming.size > 0 ? [{ verb: 'add mappings', map, elements: coming }] : [],
  };
}

/** What `set` has and `other` has not; nothing where there is no other. */
function missingElements(set: NftSet, other: NftSet | undefined): readonly Element[] {
  return other ? elementsMissing(set.elements, other.elements) : [];
}

function added<T extends { readonly name: string }>(
  objects: ReadonlyMap<string, T>,
  held: ReadonlyMap<string, T>,
): T[] {
  return held === objects ? [] : [...objects.values()].filter((object) => !held.has(object.name));
}

/** Those that are not the very objects that are held. */
function others<T extends { readonly name: string }>(
  objects: ReadonlyMap<string, T>,
  held: ReadonlyMap<string, T>,
): T[] {
  return held === objects ? [] : [...objects.values()].filter((object) => held.get(object.name) !== object);
}

/** What is referred to stands first: chains before those that go to them and before the maps that point at them, maps before the chains that look in them. */
function inReferenceOrder(chains: readonly Chain[], maps: readonly VerdictMap[]): (Chain | VerdictMap)[] {
  const byName = new Map<string, Chain | VerdictMap>([...chains, ...maps].map((object) => [object.name, object]));
  const seen = new Set<Chain | VerdictMap>();
  const ordered: (Chain | VerdictMap)[] = [];
  const visit = (object: Chain | VerdictMap): void => {
    if (seen.has(object)) return;
    seen.add(object);
    for (const name of new Set(referencesOf(object))) {
      const target = byName.get(name);
      if (target) visit(target);
    }
    ordered.push(object);
  };
  for (const object of byName.values()) visit(object);
  return ordered;
}

function sameRules(a: Chain, b: Chain): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
