import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { renderScript } from '../nftables/render.ts';
import type { Chain, Operation, Ruleset, Table, TableFamily } from '../nftables/ruleset.ts';
import { emptyTable } from '../plan/table-plan.ts';

/** What the reconciler needs of the kernel. Rejects with an error that has a `code`: `refused` where the kernel did not take the script. */
export interface Door {
  /** Our tables as the kernel holds them; `undefined` where there is none, and empty as to the first where there is only the second. */
  observe(signal: AbortSignal): Promise<Ruleset | undefined>;
  /** One of their chains, which costs no more however large the table is. */
  observeChain(family: TableFamily, name: string, signal: AbortSignal): Promise<Chain | undefined>;
  /** One transaction, or with `check` only the kernel's opinion of it. */
  run(operations: readonly Operation[], options: { check: boolean; signal: AbortSignal }): Promise<void>;
}

export function nftDoor(nft: Nft): Door {
  return {
    async observe(signal) {
      const read = async (family: TableFamily): Promise<Table | undefined> => {
        const listing = await nft.list(family, signal);
        return listing === undefined ? undefined : parseTable(family, listing);
      };
      const [inet, bridge] = await Promise.all([read('inet'), read('bridge')]);
      return inet || bridge ? { ...(inet ?? emptyTable), ...(bridge && { bridge }) } : undefined;
    },
    async observeChain(family, name, signal) {
      const listing = await nft.listChain(family, name, signal);
      return listing === undefined ? undefined : parseTable(family, listing).chains.get(name);
    },
    run: (operations, options) => nft.run(renderScript(operations), options),
  };
}
