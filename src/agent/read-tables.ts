import type { ElementReader } from '../apply/element-reader.ts';
import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { tableFamilies, type Ruleset, type TableFamily } from '../nftables/ruleset.ts';

type List = (family: TableFamily, signal: AbortSignal) => Promise<string | undefined>;

/** Reads our tables; `undefined` if there is none. nft lists all of it if the reader leaves the elements to nft. */
export async function readTables(nft: Nft, reader: ElementReader, signal: AbortSignal): Promise<Ruleset | undefined> {
  const tables =
    (await reader.read({
      tables: () => listTables((...of) => nft.listTerse(...of), signal),
      async set(family, name) {
        const listing = await nft.listSet(family, name, signal);
        return listing === undefined ? undefined : parseTable(family, listing).sets.get(name);
      },
      async map(family, name) {
        const listing = await nft.listMap(family, name, signal);
        return listing === undefined ? undefined : parseTable(family, listing).maps.get(name);
      },
    })) ?? (await listTables((...of) => nft.list(...of), signal));
  return Object.keys(tables).length > 0 ? tables : undefined;
}

async function listTables(list: List, signal: AbortSignal): Promise<Ruleset> {
  const read = async (family: TableFamily) => {
    const listing = await list(family, signal);
    return listing === undefined ? [] : [[family, parseTable(family, listing)] as const];
  };
  return Object.fromEntries((await Promise.all(tableFamilies.map(read))).flat());
}
