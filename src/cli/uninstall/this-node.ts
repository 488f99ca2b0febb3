import { findHolder } from '../../agent/node-lock.ts';
import { createNft } from '../../apply/nft.ts';
import { removeTable } from '../../apply/remove-table.ts';
import { ConfigError } from '../../config/config-error.ts';

/** Resolves with what our table held, or `undefined` where there was none. Refuses while an agent runs here. */
export async function uninstallThisNode(): Promise<string | undefined> {
  const holder = await findHolder();
  if (holder) {
    const who = `agent ${holder.version} (process ${holder.pid})`;
    throw new ConfigError(
      `${who} runs on this node and would write the rules again: stop it first, or use --daemonset`,
    );
  }
  return removeTable(createNft(), new AbortController().signal);
}
