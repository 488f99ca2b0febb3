import { foreignIn, isForeign } from '../nftables/foreign.ts';
import { isName } from '../nftables/name.ts';
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
import { chooseEditions } from './conflicts.ts';
import { differenceOf, type Difference, type TableDifference } from './difference.ts';
import { mayDeny } from './denying-sets.ts';
import { forget, withChoiceOf } from './flows.ts';
import { editionsIn, inEditions } from './editions.ts';
import { reachableNames, sameVerdict } from './reads.ts';
import { clearingTurns, isOfElse, narrows, turnsOf, type Turns } from './set-turns.ts';

/** The changes of one table, one transaction per step, and its content afterwards. `empty` flushes chains that `delete` deletes with what they refer to. */
export type TablePlan = Readonly<Record<StageName | 'empty', readonly Change[]>> & {
  /** Whether `break` must wait for packets that have missed what `switch` adds: they must not miss what `break` removes too. */
  readonly breaksLate: boolean;
  /** The last stage, if packets leave the flow sets of before in it. `delete` empties these. */
  readonly leavesFlowsIn: 'switch' | 'break' | 'forget' | undefined;
  readonly result: Table;
};

export const emptyTable: Table = { sets: new Map(), maps: new Map(), chains: new Map() };

/** Like `planStages`, for one table; `undefined` if the table needs a rewrite (`rewrite.ts`). */
export function planTable(
  desired: Table,
  applied: Table | undefined,
  { areFlowsDoubtful = false, isInterrupted = false } = {},
): TablePlan | undefined {
  const held = applied ?? emptyTable;
  const target = withChoiceOf(held, desired);
  if (!target) return undefined;
  const sameEditions = inEditions(target, editionsIn(held));
  const ofHeld = differenceOf(held, sameEditions);
  if (isBeyondRepair(ofHeld, held)) return undefined;
  const clearing = isInterrupted ? elementsOf(ofHeld, clearingTurns, 'clear') : [];
  const before = withElements(held, clearing);
  const wanted = before === held ? ofHeld : differenceOf(before, sameEditions);
  const after = inEditions(target, chooseEditions(target, before, wanted));
  const difference = after === sameEditions ? wanted : differenceOf(before, after);
  const isNarrower = narrows(wanted);
  const switching = switchOperations(difference, isNarrower);
  const breaking = elementOperations(difference, 'break', isNarrower);
  const forgetting = forget(before, [...clearing, ...switching, ...breaking], after, desired, areFlowsDoubtful);
  const breaks = breaking.length > 0;
  const last = forgetting.late.length > 0 ? 'forget' : breaks ? 'break' : 'switch';
  return {
    clear: clearing,
    make: [...(applied ? [] : [{ verb: 'add table' } as const]), ...makeOperations(difference)],
    switch: breaks ? switching : [...switching, ...forgetting.at],
    break: breaks ? [...breaking, ...forgetting.at] : [],
    forget: forgetting.late,
    open: elementOperations(difference, 'open', isNarrower),
    breaksLate: breaking.some(({ verb, set }) => {
      return isOfElse(set.name) || (verb === 'delete elements' && mayDeny(set.name, before, after));
    }),
    leavesFlowsIn: forgetting.after.length > 0 ? last : undefined,
    // Packets reach a base chain until it is deleted.
    empty: difference.chains.removed.flatMap(({ name, base }) =>
      base ? [{ verb: 'flush chain', name } as const] : [],
    ),
    delete: [...forgetting.after, ...deletions(difference)],
    result: forgetting.result,
  };
}

/**
 * The table with nothing but empty base chains. They stay because the kernel drops all queued packets when it deletes a base chain. One whose name
 * nft cannot write goes with the table.
 */
export function emptied(table: Table): Table {
  const chains = [...table.chains.values()].filter(({ name, base }) => base && isName(name));
  const isEmpty = table.sets.size + table.maps.size === 0 && chains.length === table.chains.size;
  if (isEmpty && !table.others && !table.isFlagged && chains.every(({ rules }) => rules.length === 0)) return table;
  return { ...emptyTable, chains: new Map(chains.map((chain) => [chain.name, { ...chain, rules: [] }])) };
}

/** Whether the table found in the kernel equals the one written. */
export function isTableLike(written: Table | undefined, found: Table | undefined): boolean {
  if (!written || !found) return written === found;
  const difference = differenceOf(found, written);
  if (isBeyondRepair(difference, found)) return false;
  const operations = [makeOperations, switchOperations, deletions].flatMap((list) => list(difference));
  const hasElements = difference.sets.changed.every(({ added, removed }) => added.length + removed.length === 0);
  return hasElements && operations.length === 0;
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
    // `added` and `after` come from compile, so they are never foreign.
    const isForeignHeld = removed.some(isForeign) || changed.some(({ before }) => isForeign(before));
    return isForeignHeld || added.some(isOther) || changed.some(({ after }) => isOther(after));
  });
}

export function headerOf(object: NftSet | VerdictMap | Chain): string {
  return JSON.stringify(
    'rules' in object ? object.base : [object.key, object.interval, 'records' in object && object.records],
  );
}

export const noChanges = {
  clear: [],
  make: [],
  switch: [],
  break: [],
  forget: [],
  open: [],
  empty: [],
  delete: [],
} as const;

/** Like `planSweep`, for one table. */
export function sweepTable(applied: Table): TablePlan {
  const nothing = { ...noChanges, breaksLate: false, leavesFlowsIn: undefined };
  // The plan does not know what a foreign rule refers to. The next plan rewrites this table.
  if (foreignIn(applied).length > 0) return { ...nothing, result: applied };
  const reachable = reachableNames(applied);
  const keep = <T>(objects: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map([...objects].filter(([name]) => reachable.has(name)));
  const result: Table = { sets: keep(applied.sets), maps: keep(applied.maps), chains: keep(applied.chains) };
  return { ...nothing, delete: deletions(differenceOf(applied, result)), result };
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

export function switchOperations(difference: TableDifference, isNarrower = false): Change[] {
  const { maps, chains } = difference;
  const operations: Change[] = elementOperations(difference, 'switch', isNarrower);
  const mappings = maps.changed.map(mappingOperations);
  // Delete before adding, for all maps: nft then handles all additions in one block, which is cheaper.
  operations.unshift(...mappings.flatMap(({ leaving }) => leaving));
  operations.push(...mappings.flatMap(({ coming }) => coming));
  for (const { before, after: chain } of chains.changed) {
    if (!sameRules(before, chain)) operations.push({ verb: 'replace rules', chain });
  }
  // Base chains last: on first load, packets meet no rule until all rules are there (S5.18).
  for (const chain of chains.added) if (chain.base) operations.push({ verb: 'add chain', chain });
  return operations;
}

type ElementsChange = Extract<Change, { readonly verb: 'add elements' | 'delete elements' }>;

/** The elements that come and go in a stage. */
function elementOperations(difference: TableDifference, stage: StageName, isNarrower: boolean): ElementsChange[] {
  return elementsOf(difference, (name) => turnsOf(name, isNarrower), stage);
}

function elementsOf(
  { sets }: TableDifference,
  turnsOfSet: (name: string) => Partial<Turns>,
  stage: StageName,
): ElementsChange[] {
  return sets.changed.flatMap(({ before, after, added, removed }): ElementsChange[] => {
    const turns = turnsOfSet(after.name);
    return [
      ...(turns.removed === stage && removed.length > 0
        ? [{ verb: 'delete elements', set: before, elements: removed } as const]
        : []),
      ...(turns.added === stage && added.length > 0
        ? [{ verb: 'add elements', set: after, elements: added } as const]
        : []),
    ];
  });
}

/** The table after changes of elements. */
function withElements(table: Table, changes: readonly ElementsChange[]): Table {
  if (changes.length === 0) return table;
  const sets = new Map(table.sets);
  for (const { verb, set, elements } of changes) {
    const held = new Set(sets.get(set.name)!.elements);
    for (const element of elements) {
      if (verb === 'add elements') held.add(element);
      else held.delete(element);
    }
    sets.set(set.name, { ...sets.get(set.name)!, elements: held });
  }
  return { ...table, sets };
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
    // nft cannot change a mapping (K23), so one transaction deletes and adds it. Between two transactions, the key would be missing. Old kernels may
    // miss it even in one (K24).
    if (known) leaving.push(key);
    coming.set(key, verdict);
  }
  for (const key of before.elements.keys()) if (!map.elements.has(key)) leaving.push(key);
  return {
    leaving: leaving.length > 0 ? [{ verb: 'delete mappings', map, elements: leaving }] : [],
    coming: coming.size > 0 ? [{ verb: 'add mappings', map, elements: coming }] : [],
  };
}

/** Orders objects so that each comes after all objects that it refers to. */
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
