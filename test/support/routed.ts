import assert from 'node:assert/strict';
import type { Packet } from '../../src/nftables/packet.ts';
import { routedTable, type Ruleset, type Table } from '../../src/nftables/ruleset.ts';
import { trace, type Trace } from '../../src/nftables/trace.ts';

export const emptyTable: Table = { sets: new Map(), maps: new Map(), chains: new Map() };

/** The tables for packets through the node. */
export function routedTables({ ip, ip6 }: Ruleset): [Table, Table] {
  return ip && ip6 ? [ip, ip6] : assert.fail('a table of a family is missing');
}

/** The table of the packet's family. */
export function tableOfPacket(ruleset: Ruleset, { family }: Pick<Packet, 'family'>): Table {
  if (family === 'arp') assert.fail('nothing is routed by ARP');
  return ruleset[routedTable[family]] ?? assert.fail(`there is no table of ${family}`);
}

/** The verdict of that table for the packet. */
export function verdictOf(ruleset: Ruleset, packet: Packet): Trace['verdict'] {
  return trace(tableOfPacket(ruleset, packet), packet).verdict;
}
