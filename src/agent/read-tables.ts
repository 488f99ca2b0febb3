import type { ElementReader, WantedObject } from '../apply/element-reader.ts';
import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import {
  tableFamilies,
  type NftSet,
  type Ruleset,
  type Table,
  type TableFamily,
  type VerdictMap,
} from '../nftables/ruleset.ts';

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

/** Reads a table without the elements of its sets and maps; `undefined` if there is none. */
export async function readRules(nft: Nft, family: TableFamily, signal: AbortSignal): Promise<Table | undefined> {
  const listing = await nft.listTerse(family, signal);
  return listing === undefined ? undefined : parseTable(family, listing);
}

/**
 * Reads some sets and maps with their elements, each as of its own moment; `undefined` for one that is not there. `changed`: it changed meanwhile, or
 * netlink does not find it.
 */
export async function readObjects(
  nft: Nft,
  reader: ElementReader,
  wanted: readonly WantedObject[],
  signal: AbortSignal,
): Promise<readonly (NftSet | VerdictMap | 'changed' | undefined)[]> {
  const outcomes = await reader.readEach(wanted);
  const list = async ({ family, object: { name, elements } }: WantedObject) => {
    const isMap = elements instanceof Map;
    const listing = await (isMap ? nft.listMap(family, name, signal) : nft.listSet(family, name, signal));
    if (listing === undefined) return undefined;
    const { sets, maps } = parseTable(family, listing);
    return (isMap ? maps : sets).get(name);
  };
  const found: (NftSet | VerdictMap | 'changed' | undefined)[] = [];
  for (const [index, outcome] of outcomes.entries())
    found.push(outcome === 'odd' ? await list(wanted[index]!) : outcome);
  return found;
}

async function listTables(list: List, signal: AbortSignal): Promise<Ruleset> {
  const read = async (family: TableFamily) => {
    const listing = await list(family, signal);
    return listing === undefined ? [] : [[family, parseTable(family, listing)] as const];
  };
  return Object.fromEntries((await Promise.all(tableFamilies.map(read))).flat());
}
