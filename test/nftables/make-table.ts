import type { Chain, NftSet, Table, VerdictMap } from '../../src/nftables/ruleset.ts';

export function makeTable(sets: readonly NftSet[], maps: readonly VerdictMap[], chains: readonly Chain[]): Table {
  return { sets: byName(sets), maps: byName(maps), chains: byName(chains) };
}

function byName<T extends { readonly name: string }>(objects: readonly T[]): Map<string, T> {
  return new Map(objects.map((object) => [object.name, object]));
}
