import type { Operation, Ruleset, Table } from '../../src/nftables/ruleset.ts';

/** The operations that make a ruleset from nothing. */
export function loadOperations(ruleset: Ruleset): Operation[] {
  return [...loadTable(ruleset), ...(ruleset.bridge ? onBridge(loadTable(ruleset.bridge)) : [])];
}

export function onBridge(operations: readonly Operation[]): Operation[] {
  return operations.map((operation) => ({ ...operation, family: 'bridge' }));
}

/** Chains come empty first, since maps and rules refer to them. */
function loadTable({ sets, maps, chains }: Table): Operation[] {
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
