import { tableFamilies, tableName, unsavedTable } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

export interface TablesFound {
  /** The kernel has a table of ours in at least one family. */
  readonly tableFound: boolean;
  /** The kernel has the mark of rules that may be newer than the saved state. */
  readonly isUnsaved: boolean;
}

/** `undefined` if nft cannot list the tables. */
export async function findOurTables(exec: Exec, signal: AbortSignal): Promise<TablesFound | undefined> {
  const { exitCode, stdout } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode !== 0) return undefined;
  const listed = new Set(stdout.split('\n'));
  return {
    tableFound: tableFamilies.some((family) => listed.has(`table ${family} ${tableName}`)),
    isUnsaved: listed.has(`table ip ${unsavedTable}`),
  };
}
