import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import type { TableFamily } from './ruleset.ts';
import { table } from './ruleset.ts';

/** The packets that the rules of our chains have counted, of each chain in order; of nft's JSON. Rules that do not count are left out. */
export function parseCounters(family: TableFamily, json: string): Map<string, number[]> {
  const counters = new Map<string, number[]>();
  for (const { rule } of entriesOf(json)) {
    if (!isObject(rule) || rule.family !== family || rule.table !== table.name) continue;
    const chain = String(rule.chain);
    for (const each of listOf(rule.expr)) {
      const { counter } = isObject(each) ? each : {};
      if (!isObject(counter) || typeof counter.packets !== 'number') continue;
      const known = counters.get(chain);
      if (known) known.push(counter.packets);
      else counters.set(chain, [counter.packets]);
    }
  }
  return counters;
}
