import { tableFamilies, tableName } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

/** Whether the kernel has a table of ours in any family. `undefined` if nft cannot list the tables. */
export async function hasOurTables(exec: Exec, signal: AbortSignal): Promise<boolean | undefined> {
  const { exitCode, stdout } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode !== 0) return undefined;
  const listed = new Set(stdout.split('\n'));
  return tableFamilies.some((family) => listed.has(`table ${family} ${tableName}`));
}
