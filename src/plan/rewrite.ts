import { isName } from '../nftables/name.ts';
import type { Change, Chain, NftSet, Table, VerdictMap } from '../nftables/ruleset.ts';
import { differenceOf } from './difference.ts';
import { renameRule, renameTargets } from './editions.ts';
import { emptyTable, headerOf, makeOperations, noChanges, switchOperations, type TablePlan } from './table-plan.ts';

/** Each rewrite that fails after `make` leaves a copy of the rules, which foreign objects may refer to. After so many, one transaction deletes all. */
const maxCopies = 4;

/**
 * Plans the change of a table that another program, or another version of Postern, has written to. The plan does not know what foreign objects refer to, and
 * nft cannot change an object's declaration. So the plan makes the whole desired content beside them under other names. Then the base chains,
 * which stay, switch to the new objects, and the old ones are deleted. The next plan restores the names. At no time does a packet meet
 * an empty base chain (S7.3).
 */
export function planRewrite(desired: Table, held: Table): TablePlan {
  const mark = freeMark(held);
  if (held.isFlagged || !hasOnlyNames(held) || mark === undefined) return planReplacement(desired);
  const result = besides(desired, held, mark);
  const difference = differenceOf(held, result);
  const { sets, maps, chains } = difference;
  return {
    clear: [],
    make: makeOperations(difference),
    switch: switchOperations(difference),
    break: [],
    forget: [],
    open: [],
    breaksLate: false,
    leavesFlowsIn: undefined,
    // Flush chains first, so that no reference prevents a deletion.
    empty: chains.removed.map(({ name }) => ({ verb: 'flush chain', name })),
    delete: [
      ...maps.removed.map(({ name }): Change => ({ verb: 'delete map', name })),
      ...chains.removed.map(({ name }): Change => ({ verb: 'delete chain', name })),
      ...sets.removed.map(({ name }): Change => ({ verb: 'delete set', name })),
      ...(held.others ?? []).map((each): Change => ({ verb: 'delete other', ...each })),
    ],
    result,
  };
}

/**
 * Replaces the table in one transaction. A dormant table judges no packet, so nothing new passes. nft cannot change a table with another owner, and
 * cannot delete objects whose names it cannot express: while such a table is replaced, packets in flight may pass.
 */
function planReplacement(desired: Table): TablePlan {
  return { ...noChanges, switch: replacement(desired), breaksLate: false, leavesFlowsIn: undefined, result: desired };
}

export function replacement(desired: Table): Change[] {
  const all = differenceOf(emptyTable, desired);
  return [{ verb: 'replace table' }, ...makeOperations(all), ...switchOperations(all)];
}

function hasOnlyNames({ sets, maps, chains, others = [] }: Table): boolean {
  return [...namesIn({ sets, maps, chains }), ...others.map(({ name }) => name)].every(isName);
}

function namesIn({ sets, maps, chains }: Table): string[] {
  return [...sets.keys(), ...maps.keys(), ...chains.keys()];
}

/** The first ending that no name in the table has. */
function freeMark(held: Table): string | undefined {
  const taken = namesIn(held);
  const marks = Array.from({ length: maxCopies }, (_, index) => (index === 0 ? '/r' : `/r${index + 1}`));
  return marks.find((mark) => !taken.some((name) => name.endsWith(mark)));
}

/** The desired table under names with the mark. Base chains keep their names if the held ones have the same declaration. */
function besides(desired: Table, held: Table, mark: string): Table {
  const taken = namesIn(held);
  const stays = ({ name, base }: Chain): boolean => {
    const before = held.chains.get(name);
    return (
      base !== undefined && (before ? headerOf(before) === headerOf({ name, base, rules: [] }) : !taken.includes(name))
    );
  };
  const rename = (name: string): string => name + mark;
  const names = { setName: rename, mapName: rename, chainName: rename };
  const renameChain = (chain: Chain): Chain => ({
    ...chain,
    name: stays(chain) ? chain.name : rename(chain.name),
    rules: chain.rules.map((rule) => renameRule(rule, names)),
  });
  return {
    sets: renamed(desired.sets, (set): NftSet => ({ ...set, name: rename(set.name) })),
    maps: renamed(desired.maps, (map): VerdictMap => ({
      ...map,
      name: rename(map.name),
      elements: renameTargets(map, rename),
    })),
    chains: renamed(desired.chains, renameChain),
  };
}

function renamed<T extends { readonly name: string }>(objects: ReadonlyMap<string, T>, rename: (object: T) => T) {
  return new Map(
    objects.values().map((object) => {
      const other = rename(object);
      return [other.name, other];
    }),
  );
}
