import { ElementChanges } from '../nftables/element-changes.ts';
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
import { differenceOf, type Difference, type TableDifference } from './difference.ts';
import { inEditions } from './editions.ts';
import { reachableNames } from './reads.ts';

/**
 * What happens to one table, a transaction for each step, and what it holds then. `empty` is of chains that go: what they look up goes only
 * when no packet is in them.
 */
export type TablePlan = Readonly<Record<StageName | 'empty', readonly Change[]>> & { readonly result: Table };

export const emptyTable: Table = { sets: new Map(), maps: new Map(), chains: new Map() };
const noChanges = new ElementChanges();

/** As `planStages`, for one table; `undefined` where it holds what cannot be changed step by step. */
export function planTable(desired: Table, applied: Table | undefined, changes: ElementChanges): TablePlan | undefined {
  const before = applied ?? emptyTable;
  const wanted = differenceOf(before, desired, changes);
  if (isBeyondRepair(wanted, before)) return undefined;
  const result = inEditions(desired, chooseEditions(desired, before, wanted, changes));
  const difference = result === desired ? wanted : differenceOf(before, result, changes);
  return {
    make: [...(applied ? [] : [{ verb: 'add table' } as const]), ...makeOperations(difference)],
    switch: switchOperations(difference),
    empty: difference.chains.removed.flatMap(({ name, base }) =>
      base ? [{ verb: 'flush chain', name } as const] : [],
    ),
    break: breakOperations(difference),
    result,
  };
}

/** The table without anything that judges. Its base chains stay: the kernel empties all queues of packets with one that goes. */
export function emptied(table: Table): Table {
  const chains = [...table.chains.values()].filter(({ base }) => base);
  const isEmpty = table.sets.size + table.maps.size === 0 && chains.length === table.chains.size;
  if (isEmpty && !table.others && !table.isFlagged && chains.every(({ rules }) => rules.length === 0)) return table;
  return { ...emptyTable, chains: new Map(chains.map((chain) => [chain.name, { ...chain, rules: [] }])) };
}

/** Whether the table holds what was written to it, and nothing else. */
export function isTableLike(written: Table | undefined, found: Table | undefined): boolean {
  if (!written || !found) return written === found;
  const difference = differenceOf(found, written, noChanges);
  if (isBeyondRepair(difference, found)) return false;
  const operations = [makeOperations, switchOperations, breakOperations].flatMap((list) => list(difference));
  return operations.length === 0;
}

function isBeyondRepair({ sets, maps, chains }: TableDifference, applied: Table): boolean {
  if (applied.isFlagged || applied.others) return true;
  const heldOf = (name: string) => applied.sets.get(name) ?? applied.maps.get(name) ?? applied.chains.get(name);
  const isOther = (wanted: NftSet | VerdictMap | Chain): boolean => {
    const held = heldOf(wanted.name);
    return held !== undefined && headerOf(held) !== headerOf(wanted);
  };
  const ofKinds: readonly Difference<NftSet | VerdictMap | Chain>[] = [sets, maps, chains];
  return ofKinds.some(({ added, removed, changed }) => {
    // What is wanted is of our language.
    const isForeignHeld = removed.some(isForeign) || changed.some(({ before }) => isForeign(before));
    return isForeignHeld || added.some(isOther) || changed.some(({ after }) => isOther(after));
  });
}

export function headerOf(object: NftSet | VerdictMap | Chain): string {
  return JSON.stringify(
    'rules' in object ? object.base : [object.key, object.interval, 'records' in object && object.records],
  );
}

/** As `planSweep`, for one table. */
export function sweepTable(applied: Table): TablePlan {
  const nothing = { make: [], switch: [], empty: [], break: [] };
  // What a foreign rule refers to is not known, and the next plan writes all anew.
  if (foreignIn(applied).length > 0) return { ...nothing, result: applied };
  const reachable = reachableNames(applied);
  const keep = <T>(objects: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map([...objects].filter(([name]) => reachable.has(name)));
  const result: Table = { sets: keep(applied.sets), maps: keep(applied.maps), chains: keep(applied.chains) };
  return { ...nothing, break: deletions(differenceOf(applied, result, noChanges)), result };
}

export function makeOperations({ sets, maps, chains }: TableDifference): Change[] {
  const operations: Change[] = sets.added.map((set) => ({ verb: 'add set', set }));
  for (const object of inReferenceOrder(
    chains.added.filter((chain) => !chain.base),
    maps.added,
  )) {
    operations.push('rules' in object ? { verb: 'add chain', chain: object } : { verb: 'add map', map: object });
  }
  return operations;
}

export function switchOperations({ sets, maps, chains }: TableDifference): Change[] {
  const operations: Change[] = [];
  for (const { after: set, added: elements } of sets.changed) {
    if (elements.length > 0) operations.push({ verb: 'add elements', set, elements });
  }
  const mappings = maps.changed.map(mappingOperations);
  // What leaves goes first for all maps, so that all that comes stands together: a script is cheaper so.
  operations.unshift(...mappings.flatMap(({ leaving }) => leaving));
  operations.push(...mappings.flatMap(({ coming }) => coming));
  for (const { before, after: chain } of chains.changed) {
    if (!sameRules(before, chain)) operations.push({ verb: 'replace rules', chain });
  }
  // Last: on first load packets meet nothing of ours until all of it is there (S5.18).
  for (const chain of chains.added) if (chain.base) operations.push({ verb: 'add chain', chain });
  return operations;
}

function breakOperations(difference: TableDifference): Change[] {
  const operations: Change[] = [];
  for (const { before: set, removed: elements } of difference.sets.changed) {
    if (elements.length > 0) operations.push({ verb: 'delete elements', set, elements });
  }
  return [...operations, ...deletions(difference)];
}

function deletions({ sets, maps, chains }: TableDifference): Change[] {
  return [
    ...inReferenceOrder(chains.removed, maps.removed)
      .toReversed()
      .map((object) => ({ verb: 'rules' in object ? 'delete chain' : 'delete map', name: object.name }) as const),
    ...sets.removed.map(({ name }) => ({ verb: 'delete set', name }) as const),
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
    // nft cannot change a mapping (K23), and in two transactions the key would be nobody's between them. Old kernels may miss it (K24).
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
