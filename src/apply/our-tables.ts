import { tableFamilies, tableName } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

/** The tables in the kernel that have our name. */
export interface OurTables {
  /** Whether there is one in any family, including families that this version does not use. */
  readonly isAny: boolean;
  /** Families that only other versions use, for example `inet`. */
  readonly old: readonly string[];
}

/** `undefined` if nft cannot list the tables. */
export async function findOurTables(exec: Exec, signal: AbortSignal): Promise<OurTables | undefined> {
  const { exitCode, stdout } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode !== 0) return undefined;
  const lines = stdout.split('\n').map((line) => line.split(' '));
  const families = lines.flatMap(([, family, name]) => (family !== undefined && name === tableName ? [family] : []));
  return { isAny: families.length > 0, old: families.filter((each) => !tableFamilies.some((own) => own === each)) };
}
