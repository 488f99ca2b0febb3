import { tableFamilies, tableName } from '../nftables/ruleset.ts';
import type { Nft } from './nft.ts';

/** Deletes our tables in one transaction. Resolves with a summary of each, for example `table ip postern: 3 chains, 12 sets, 4 maps`. */
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
  if (script.length > 0) await nft.run(script.join(''), { check: false, signal });
  return removed;
}
