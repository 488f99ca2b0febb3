import { tableFamilies, tableName, unsavedTable } from '../nftables/ruleset.ts';
import type { Nft } from './nft.ts';

/** Deletes our tables and the mark of unsaved rules in one transaction. Resolves with a summary of each, for example `table ip postern: 3 chains, 12 sets, 4 maps`. */
export async function removeTables(nft: Nft, signal: AbortSignal): Promise<string[]> {
  const removed: string[] = [];
  const script: string[] = [];
  for (const family of tableFamilies) {
    const listing = await nft.list(family, signal);
    if (listing === undefined) continue;
    const name = `table ${family} ${tableName}`;
    script.push(`delete ${name}\n`);
    const { nftables } = JSON.parse(listing) as { nftables: readonly object[] };
    const count = (kind: string): number => nftables.filter((each) => kind in each).length;
    removed.push(`${name}: ${count('chain')} chains, ${count('set')} sets, ${count('map')} maps`);
  }
  // nft reports an error if it deletes a table that does not exist.
  if (script.length > 0) script.push(`add table ip ${unsavedTable}\n`, `delete table ip ${unsavedTable}\n`);
  if (script.length > 0) await nft.run(script.join(''), { check: false, signal });
  return removed;
}
