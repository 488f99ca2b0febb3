import {
  tableFamilies,
  type Change,
  type Operation,
  type Ruleset,
  type Table,
  type TableFamily,
} from '../../src/nftables/ruleset.ts';

/** The operations that make a ruleset from nothing. */
export function loadOperations(ruleset: Ruleset): Operation[] {
  return tableFamilies.flatMap((family) => {
    const table = ruleset[family];
    return table ? on(family, loadTable(table)) : [];
  });
}

export function on(family: TableFamily, changes: readonly Change[]): Operation[] {
  return changes.map((change) => ({ family, ...change }));
}

/** Chains come empty first, since maps and rules refer to them. */
function loadTable({ sets, maps, chains }: Table): Change[] {
  const emptyMaps = [...maps.values()].map((map) => ({ ...map, elements: new Map() }));
  return [
    { verb: 'add table' },
    ...[...sets.values()].map((set) => ({ verb: 'add set', set }) as const),
    ...[...chains.values()].map((chain) => ({ verb: 'add chain', chain: { ...chain, rules: [] } }) as const),
    ...emptyMaps.map((map) => ({ verb: 'add map', map }) as const),
    ...[...maps.values()].map((map) => ({ verb: 'add mappings', map, elements: map.elements }) as const),
    ...[...chains.values()].map((chain) => ({ verb: 'replace rules', chain }) as const),
  ];
}
