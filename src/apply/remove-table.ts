import { table } from '../nftables/ruleset.ts';
import type { Nft } from './nft.ts';

/** Deletes our table. Resolves with what it held, as `3 chains, 12 sets, 4 maps`, or with `undefined` where there was none. */
export async function removeTable(nft: Nft, signal: AbortSignal): Promise<string | undefined> {
  const listing = await nft.list(signal);
  if (listing === undefined) return undefined;
  await nft.run(`delete table ${table.family} ${table.name}\n`, { check: false, signal });
  const { nftables } = JSON.parse(listing) as { nftables: readonly object[] };
  const count = (kind: string): number => nftables.filter((each) => kind in each).length;
  return `${count('chain')} chains, ${count('set')} sets, ${count('map')} maps`;
}
