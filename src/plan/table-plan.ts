import { elementsMissing } from '../nftables/element-changes.ts';
import { foreignIn, isForeign } from '../nftables/foreign.ts';
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
import { differenceOf } from './difference.ts';
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
  const heldOf = (name: string) => applied.sets.get(name) ?? applied.maps.get(name) ?? applied.chains.get(name);
  const isOther = (wanted: NftSet | VerdictMap | Chain): boolean => {
    const held = heldOf(wanted.name);
    return held !== undefined && headerOf(held) !== headerOf(wanted);
  };
  const kinds = ['sets', 'maps', 'chains'] as const;
  return kinds.some((kind) => {
    const { added, removed, changed } = differenceOf<NftSet | VerdictMap | Chain>(applied[kind], desired[kind]);
    // What is wanted is of our language.
    const isForeignHeld = removed.some(isForeign) || changed.some(({ before }) => isForeign(before));
    return isForeignHeld || added.some(isOther) || changed.some(({ after }) => isOther(after));
  });
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
  for (const set of differenceOf(before.sets, desired.sets).added) operations.push({ verb: 'add set', set });
  for (const object of inReferenceOrder(
    differenceOf(before.chains, desired.chains).added.filter((chain) => !chain.base),
    differenceOf(before.maps, desired.maps).added,
  )) {
    operations.push('rules' in object ? { verb: 'add chain', chain: object } : { verb: 'add map', map: object });
  }
  return operations;
}

function switchOperations(desired: Table, applied: Table): Change[] {
  const operations: Change[] = [];
  for (const { before, after: set } of differenceOf(applied.sets, desired.sets).changed) {
    const elements = elementsMissing(set.elements, before.elements);
    if (elements.length > 0) operations.push({ verb: 'add elements', set, elements });
  }
  const mappings = differenceOf(applied.maps, desired.maps).changed.map(mappingOperations);
  // What leaves goes first for all maps, so that all that comes stands together: a script is cheaper so.
  operations.unshift(...mappings.flatMap(({ leaving }) => leaving));
  operations.push(...mappings.flatMap(({ coming }) => coming));
  const chains = differenceOf(applied.chains, desired.chains);
  for (const { before, after } of chains.changed) {
    if (!sameRules(before, after)) operations.push({ verb: 'replace rules', chain: after });
  }
  // Last: on first load packets meet nothing of ours until all of it is there (S5.18).
  for (const chain of chains.added) if (chain.base) operations.push({ verb: 'add chain', chain });
  return operations;
}

function breakOperations(desired: Table, applied: Table): Change[] {
  const operations: Change[] = [];
  for (const { before: set, after } of differenceOf(applied.sets, desired.sets).changed) {
    const elements = elementsMissing(set.elements, after.elements);
    if (elements.length > 0) operations.push({ verb: 'delete elements', set, elements });
  }
  return [...operations, ...deletions(desired, applied)];
}

function deletions(desired: Table, applied: Table): Change[] {
  const [sets, maps, chains] = [
    differenceOf(applied.sets, desired.sets).removed,
    differenceOf(applied.maps, desired.maps).removed,
    differenceOf(applied.chains, desired.chains).removed,
  ];
  return [
    ...inReferenceOrder(chains, maps)
      .toReversed()
      .map((object) => ({ verb: 'rules' in object ? 'delete chain' : 'delete map', name: object.name }) as const),
    ...sets.map(({ name }) => ({ verb: 'delete set', name }) as const),
  ];
}

function mappingOperations({ before, after: map }: { readonly before: VerdictMap; readonly after: VerdictMap }): {
  readonly leaving: readonly Change[];
  readonly coming: readonly Change[];
} {
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
  return JSON.stringify(a) === JSON.stringify(b);
}
