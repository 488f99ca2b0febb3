import { tableFamilies, tableName } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

/** Which tables of our name the kernel has. */
export interface OurTables {
  /** Any, also of a version with other tables than ours. */
  readonly isAny: boolean;
  /** Families of tables that this version does not write, as `inet` of those that had one for IPv4 and IPv6. */
  readonly old: readonly string[];
}

/** `undefined` where the kernel cannot be asked. */
export async function findOurTables(exec: Exec, signal: AbortSignal): Promise<OurTables | undefined> {
  const { exitCode, stdout } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode !== 0) return undefined;
  const lines = stdout.split('\n').map((line) => line.split(' '));
  const families = lines.flatMap(([, family, name]) => (family !== undefined && name === tableName ? [family] : []));
  return { isAny: families.length > 0, old: families.filter((each) => !tableFamilies.some((own) => own === each)) };
}
