import type { ResourceName } from '../model/cluster.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { SavedState } from '../state/saved-state.ts';
import { countKnown, type KnownBefore } from './known-before.ts';

export interface LookBackOptions {
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

async function look({ observe, readSaved }: LookBackOptions): Promise<KnownBefore> {
  const tables = await observe().catch((): 'unknown' => 'unknown');
  const known = countKnown({ tables, saved: undefined });
  return known.nodes > 0 ? known : countKnown({ tables, saved: await readSaved() });
}
