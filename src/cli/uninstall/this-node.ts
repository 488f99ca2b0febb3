import { findHolder, takeNodeLock } from '../../agent/node-lock.ts';
import { createNft } from '../../apply/nft.ts';
import { removeTables } from '../../apply/remove-tables.ts';
import { ConfigError } from '../../config/config-error.ts';
import { readVersion } from '../../config/version.ts';

/** Deletes the tables of Postern and resolves to their descriptions. Rejects with a ConfigError while an agent runs here. */
export async function uninstallThisNode(): Promise<string[]> {
  const release = await takeNodeLock({ version: readVersion(), pid: process.pid });
  if (!release) {
    const holder = await findHolder();
    const who = holder ? `agent ${holder.version} (process ${holder.pid})` : "a process with the agents' lock";
    throw new ConfigError(
      `${who} runs on this node and would write the rules again: stop it first, or use --daemonset`,
    );
  }
  try {
    return await removeTables(createNft(), new AbortController().signal);
  } finally {
    release();
  }
}
