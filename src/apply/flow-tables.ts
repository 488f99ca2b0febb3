import { tableName } from '../nftables/ruleset.ts';
import type { Problem } from './environment.ts';
import type { Exec } from './exec.ts';

/**
 * Reports flow tables of other programs. The kernel forwards packets of their connections at the ingress hook of their devices, so the forward hook sees
 * only the first packets (S5.14, K49). Any rule of any table may add a connection, and one device of the two that a connection uses is enough: so every flow
 * table with a device counts. Those in our own tables are not reported: the agent takes them out.
 */
export async function checkFlowTables(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const { exitCode, stdout, stderr } = await exec('nft', ['-j', 'list', 'flowtables'], { signal });
  const found = exitCode === 0 ? readFlowTables(stdout) : undefined;
  if (!found)
    return `nft cannot list flow tables, which would take connections around policies (${stderr.trim().split('\n')[0]})`;
  const problems = found
    .filter(({ table, devices }) => table !== tableName && devices.length > 0)
    .map(({ family, table, name, devices }) => `${name} of table ${family} ${table} (${devices.join(', ')})`);
  if (problems.length === 0) return undefined;
  return (
    `flow tables take open connections around all policies, so a change of policies does not cut them: ${problems.join(', ')}; ` +
    'remove them (nft delete flowtable …), or switch off flow offload in the program that made them'
  );
}

interface FlowTable {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly devices: readonly string[];
}

/** Reads libnftables-json(5), where one device is a string and several are a list. `undefined` if it is not that. */
function readFlowTables(text: string): FlowTable[] | undefined {
  try {
    const { nftables } = JSON.parse(text) as { nftables: readonly { flowtable?: Record<string, unknown> }[] };
    return nftables.flatMap(({ flowtable }) => {
      if (flowtable === undefined) return [];
      const { family, table, name, dev = [] } = flowtable;
      return [{ family: String(family), table: String(table), name: String(name), devices: [dev].flat().map(String) }];
    });
  } catch {
    return undefined;
  }
}
