import type { Chain, NftSet, Table, VerdictMap } from '../nftables/ruleset.ts';

/** The parts of a table. Objects of the same name must be equal; they may occur several times. */
export interface Parts {
  readonly sets: readonly NftSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
}

export function tableOf({ sets, maps, chains }: Parts): Table {
  return { sets: byName(sets), maps: byName(maps), chains: byName(chains) };
}

function byName<T extends { readonly name: string }>(objects: readonly T[]): ReadonlyMap<string, T> {
  return new Map(objects.map((object) => [object.name, object]));
}
