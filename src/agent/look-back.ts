import type { OurTables } from '../apply/our-tables.ts';
import type { ResourceName } from '../model/cluster.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { SavedState } from '../state/saved-state.ts';
import { countKnown, type EarlierState, type KnownBefore } from './known-before.ts';

export interface LookBackOptions {
  readonly findTables: () => Promise<OurTables | undefined>;
  readonly observe: () => Promise<Ruleset | undefined>;
  readonly readSaved: () => Promise<SavedState | undefined>;
}

/** Returns a function that counts the objects known before the start. It reads tables and state on the first call only, as they can have many megabytes. Never rejects. */
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

/** `unknown` if another version of Postern has left tables that this version does not use. */
async function readTables(
  findTables: LookBackOptions['findTables'],
  observe: LookBackOptions['observe'],
): Promise<EarlierState['tables']> {
  const found = await findTables();
  if (!found || found.old.length > 0) return 'unknown';
  return found.isAny ? observe() : undefined;
}
