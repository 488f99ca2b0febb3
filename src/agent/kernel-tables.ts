import { noElementReader, type ElementReader, type WantedObject } from '../apply/element-reader.ts';
import { noElementWriter, type ElementWriter } from '../apply/element-writer.ts';
import type { GenerationReader } from '../apply/generation.ts';
import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { renderScript } from '../nftables/render.ts';
import type { Chain, NftSet, Operation, Ruleset, Table, TableFamily, VerdictMap } from '../nftables/ruleset.ts';
import { systemClock, type Clock } from './clock.ts';
import { readObjects, readRules, readTables } from './read-tables.ts';

/** Access to our tables in the kernel. Methods reject with an error that has a `code`: `refused` if the kernel rejected the script. */
export interface KernelTables {
  /** Reads our tables; `undefined` if there is none. */
  observe(signal: AbortSignal): Promise<Ruleset | undefined>;
  /** Reads one chain of a table. nft reads the headers of all sets for it (K19), so it may be what was read before, if no transaction has come since. */
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
  readonly clock?: Pick<Clock, 'now'>;
  /** Called after each transaction. */
  readonly wrote?: (by: Writer) => void;
}

export function nftKernelTables(
  nft: Nft,
  {
    writer = noElementWriter,
    reader = noElementReader,
    generations,
    clock = systemClock,
    wrote = () => {},
  }: Helpers = {},
): KernelTables {
  const chains = new KnownChains(generations, clock);
  return {
    observe(signal) {
      chains.forget();
      return readTables(nft, reader, signal);
    },
    observeChain: (family, name, signal) =>
      chains.read(`${family} ${name}`, async () => {
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
  /** Of the first and of the last listing in this generation; milliseconds of the monotonic clock. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Milliseconds. The kernel publishes the number of a generation before its rules, and the names and policies of chains later still (K46). So a listing
 * counts only if it began this long after the first one of its generation.
 */
const publishedMs = 250;
/** Milliseconds. A chain is listed again after this time in any case. */
const longestKnownMs = 10_000;
/** Milliseconds between two tries to ask for the generation, if one failed. */
const pauseMs = 60_000;

/** Chains as nft listed them, for as long as the kernel's generation says that they cannot have changed. */
class KnownChains {
  readonly #generations: Helpers['generations'];
  readonly #clock: Pick<Clock, 'now'>;
  readonly #known = new Map<string, KnownChain>();
  #askAgainAt = -Infinity;

  constructor(generations: Helpers['generations'], clock: Pick<Clock, 'now'>) {
    this.#generations = generations;
    this.#clock = clock;
  }

  forget(): void {
    this.#known.clear();
  }

  async read(key: string, list: () => Promise<Chain | undefined>): Promise<Chain | undefined> {
    const now = this.#clock.now();
    const generation = await this.#generation(now);
    const known = this.#known.get(key);
    const last = known?.generation === generation ? known : undefined;
    if (last && last.lastAt - last.firstAt >= publishedMs && now - last.lastAt < longestKnownMs) return last.chain;
    this.#known.delete(key);
    const chain = await list();
    const firstAt = last?.firstAt ?? now;
    if (generation !== undefined) this.#known.set(key, { generation, chain, firstAt, lastAt: now });
    return chain;
  }

  /** `undefined` if it is not known: then nft lists the chain each time. */
  async #generation(now: number): Promise<number | undefined> {
    if (now < this.#askAgainAt) return undefined;
    return this.#generations?.read().catch(() => {
      this.#askAgainAt = now + pauseMs;
      return undefined;
    });
  }
}

export function nftKernelParts(nft: Nft, reader: ElementReader): KernelParts {
  return {
    readRules: (family, signal) => readRules(nft, family, signal),
    readObjects: (wanted, signal) => readObjects(nft, reader, wanted, signal),
  };
}
