import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import { tableName } from './ruleset.ts';

/** By chain, the sum of the packet counts of its rules, from nft's JSON of one table or its chains. Chains without a counter are left out. */
export function parseCounters(json: string): Map<string, number> {
  const counters = new Map<string, number>();
  for (const { rule } of entriesOf(json)) {
    if (!isObject(rule) || rule.table !== tableName) continue;
    const chain = String(rule.chain);
    for (const each of listOf(rule.expr)) {
      const { counter } = isObject(each) ? each : {};
      if (!isObject(counter) || typeof counter.packets !== 'number') continue;
      counters.set(chain, (counters.get(chain) ?? 0) + counter.packets);
    }
  }
  return counters;
}
