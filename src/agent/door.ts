import type { Nft } from '../apply/nft.ts';
import { parseTable } from '../nftables/parse.ts';
import { renderScript } from '../nftables/render.ts';
import type { Chain, Operation, Ruleset } from '../nftables/ruleset.ts';

/** What the reconciler needs of the kernel. Rejects with an error that has a `code`: `refused` where the kernel did not take the script. */
export interface Door {
  /** Our table as the kernel holds it; `undefined` where there is none. */
  observe(signal: AbortSignal): Promise<Ruleset | undefined>;
  /** One of its chains, which costs no more however large the table is. */
  observeChain(name: string, signal: AbortSignal): Promise<Chain | undefined>;
  /** One transaction, or with `check` only the kernel's opinion of it. */
  run(operations: readonly Operation[], options: { check: boolean; signal: AbortSignal }): Promise<void>;
}

export function nftDoor(nft: Nft): Door {
  return {
    async observe(signal) {
      const listing = await nft.list(signal);
      return listing === undefined ? undefined : parseTable(listing);
    },
    async observeChain(name, signal) {
      const listing = await nft.listChain(name, signal);
      return listing === undefined ? undefined : parseTable(listing).chains.get(name);
    },
    run: (operations, options) => nft.run(renderScript(operations), options),
  };
}
