import type { Family } from '../../model/address.ts';
import { routedTable, tableName } from '../../nftables/ruleset.ts';

const names = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

/** Of a kernel without our table of a family. */
export function describeMissingTable(family: Family): string {
  return `there is no table ${routedTable[family]} ${tableName}: nothing of ${names[family]} is enforced here`;
}
