import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import type { TableFamily } from './ruleset.ts';
import { table } from './ruleset.ts';

/** The packets that the rules of one of our chains have counted, in order; of nft's JSON of the chain. Rules that do not count are left out. */
export function parseCounters(family: TableFamily, chain: string, json: string): number[] {
  const counters: number[] = [];
  for (const { rule } of entriesOf(json)) {
    if (!isObject(rule) || rule.family !== family || rule.table !== table.name || rule.chain !== chain) continue;
    for (const each of listOf(rule.expr)) {
      const { counter } = isObject(each) ? each : {};
      if (isObject(counter) && typeof counter.packets === 'number') counters.push(counter.packets);
    }
  }
  return counters;
}
