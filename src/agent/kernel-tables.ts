import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { renderScript } from '../nftables/render.ts';
import { tableFamilies, type Chain, type Operation, type Ruleset, type TableFamily } from '../nftables/ruleset.ts';

/** What the reconciler needs of the kernel. Rejects with an error that has a `code`: `refused` where the kernel did not take the script. */
export interface KernelTables {
  /** Our tables as the kernel holds them; `undefined` where there is none. */
  observe(signal: AbortSignal): Promise<Ruleset | undefined>;
  /** One of their chains, which costs no more however large the table is. */
  observeChain(family: TableFamily, name: string, signal: AbortSignal): Promise<Chain | undefined>;
  /** One transaction, or with `check` only the kernel's opinion of it. */
  run(operations: readonly Operation[], options: KernelTablesOptions): Promise<void>;
}

export interface KernelTablesOptions {
  readonly check: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds. It is ended after them, with an error whose `code` is `timeout`: what became of it is not known. */
  readonly timeoutMs?: number;
}

export function nftKernelTables(nft: Nft): KernelTables {
  return {
    async observe(signal) {
      const read = async (family: TableFamily) => {
        const listing = await nft.list(family, signal);
        return listing === undefined ? [] : [[family, parseTable(family, listing)] as const];
      };
      const tables = (await Promise.all(tableFamilies.map(read))).flat();
      return tables.length > 0 ? Object.fromEntries(tables) : undefined;
    },
    async observeChain(family, name, signal) {
      const listing = await nft.listChain(family, name, signal);
      return listing === undefined ? undefined : parseTable(family, listing).chains.get(name);
    },
    run: (operations, options) => nft.run(renderScript(operations, { isCheck: options.check }), options),
  };
}
