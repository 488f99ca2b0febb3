import { noElementReader, type ElementReader, type WantedObject } from '../apply/element-reader.ts';
import { noElementWriter, type ElementWriter } from '../apply/element-writer.ts';
import type { GenerationReader } from '../apply/generation.ts';
import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { renderScript } from '../nftables/render.ts';
import type { Chain, NftSet, Operation, Ruleset, Table, TableFamily, VerdictMap } from '../nftables/ruleset.ts';
import { readObjects, readRules, readTables } from './read-tables.ts';

/** Access to our tables in the kernel. Methods reject with an error that has a `code`: `refused` if the kernel rejected the script. */
export interface KernelTables {
  /** Reads our tables; `undefined` if there is none. */
  observe(signal: AbortSignal): Promise<Ruleset | undefined>;
  /** Reads one chain of a table. nft reads the headers of all sets of the table for it, so this does not ask nft again before the next transaction. */
  observeChain(family: TableFamily, name: string, signal: AbortSignal): Promise<Chain | undefined>;
  /** Runs one transaction, or with `check` only asks whether the kernel would accept it. */
  run(operations: readonly Operation[], options: KernelTablesOptions): Promise<void>;
}

/** Reads parts of our tables. Methods reject as those of KernelTables do. */
export interface KernelParts {
  /** The table without the elements of its sets and maps; `undefined` if there is none. */
  readRules(family: TableFamily, signal: AbortSignal): Promise<Table | undefined>;
  /** Sets and maps with their elements; `undefined` for one that is not there. `changed`: it changed meanwhile, or is not there. */
  readObjects(
    wanted: readonly WantedObject[],
    signal: AbortSignal,
  ): Promise<readonly (NftSet | VerdictMap | 'changed' | undefined)[]>;
}

export interface KernelTablesOptions {
  readonly check: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds. After them the run is killed and rejects with the code `timeout`. Whether the kernel applied it is unknown then. */
  readonly timeoutMs?: number;
  /** First waits until every packet is done that began before (K27). */
  readonly afterGracePeriod?: boolean;
}

/** What wrote a transaction. */
export type Writer = 'netlink' | 'nft';

/** What nft leaves to others. */
export interface Helpers {
  /** Writes what it can, and waits if it can; nft does everything else. */
  readonly writer?: Pick<ElementWriter, 'write' | 'awaitGracePeriod'>;
  /** Reads the elements if it can; else nft lists them. */
  readonly reader?: ElementReader;
  /** Tells whether a chain can have changed since it was read; else nft lists it each time. */
  readonly generations?: Pick<GenerationReader, 'read'>;
  /** Called after each transaction. */
  readonly wrote?: (by: Writer) => void;
}

export function nftKernelTables(
  nft: Nft,
  { writer = noElementWriter, reader = noElementReader, generations, wrote = () => {} }: Helpers = {},
): KernelTables {
  return {
    observe: (signal) => readTables(nft, reader, signal),
    observeChain: rememberChains(generations, async (family, name, signal) => {
      const listing = await nft.listChain(family, name, signal);
      return listing === undefined ? undefined : parseTable(family, listing).chains.get(name);
    }),
    async run(operations, options) {
      if (options.afterGracePeriod && !(await writer.awaitGracePeriod())) await nft.awaitGracePeriod(options.signal);
      if (!options.check && (await writer.write(operations))) return wrote('netlink');
      await nft.run(renderScript(operations, { isCheck: options.check }), options);
      if (!options.check) wrote('nft');
    },
  };
}

interface KnownChain {
  readonly generation: number;
  readonly chain: Chain | undefined;
  readonly isSure: boolean;
}

/**
 * Reads a chain again only if the kernel has begun another generation, and once more in that one: the kernel publishes the number of a generation a moment
 * before its rules (`nf_tables_commit`), so the first read may show the rules of before.
 */
function rememberChains(
  generations: Helpers['generations'],
  observe: KernelTables['observeChain'],
): KernelTables['observeChain'] {
  if (!generations) return observe;
  const known = new Map<string, KnownChain>();
  return async (family, name, signal) => {
    const key = `${family} ${name}`;
    // Without netlink, nft still reads.
    const generation = await generations.read().catch(() => undefined);
    const last = known.get(key);
    const isSame = last !== undefined && last.generation === generation;
    if (isSame && last.isSure) return last.chain;
    known.delete(key);
    const chain = await observe(family, name, signal);
    if (generation !== undefined) known.set(key, { generation, chain, isSure: isSame });
    return chain;
  };
}

export function nftKernelParts(nft: Nft, reader: ElementReader): KernelParts {
  return {
    readRules: (family, signal) => readRules(nft, family, signal),
    readObjects: (wanted, signal) => readObjects(nft, reader, wanted, signal),
  };
}
