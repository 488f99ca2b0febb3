import type { Family } from '../../model/address.ts';
import { routedTable, tableName } from '../../nftables/ruleset.ts';

const names = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

/** The message for a missing table of Postern. */
export function describeMissingTable(family: Family): string {
  return `the kernel has no table ${routedTable[family]} ${tableName}: this node enforces no policy for ${names[family]}`;
}
