import type { OurTables } from '../apply/our-tables.ts';
import type { ResourceName } from '../model/cluster.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { SavedState } from '../state/saved-state.ts';
import { countKnown, type KnownBefore, type Traces } from './known-before.ts';

export interface LookBackOptions {
  readonly findTables: () => Promise<OurTables | undefined>;
  readonly observe: () => Promise<Ruleset | undefined>;
  readonly readSaved: () => Promise<SavedState | undefined>;
}

/** Looks once, when it is asked for the first time: of a large cluster, what there is to read is many megabytes. Never rejects. */
export function createLookBack(options: LookBackOptions): (resource: ResourceName) => Promise<number> {
  let known: Promise<KnownBefore> | undefined;
  return async (resource) => {
    known ??= look(options);
    return (await known)[resource];
  };
}

async function look({ findTables, observe, readSaved }: LookBackOptions): Promise<KnownBefore> {
  const tables = await readTables(findTables, observe).catch((): 'unknown' => 'unknown');
  const known = countKnown({ tables, saved: undefined });
  return known.nodes > 0 ? known : countKnown({ tables, saved: await readSaved() });
}

/** Tables of a version with other tables than ours are not read. */
async function readTables(
  findTables: LookBackOptions['findTables'],
  observe: LookBackOptions['observe'],
): Promise<Traces['tables']> {
  const found = await findTables();
  if (!found || found.old.length > 0) return 'unknown';
  return found.isAny ? observe() : undefined;
}
