import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import { tableName } from './ruleset.ts';

export interface ChainCounter {
  readonly packets: number;
  /** Of the last rule that counts. A rule that is written anew counts from 0, and has another handle. */
  readonly handle: number | undefined;
}

/** By chain, the sum of the packet counts of its rules, from nft's JSON of one table or its chains. Chains without a counter are left out. */
export function parseCounters(json: string): Map<string, ChainCounter> {
  const counters = new Map<string, ChainCounter>();
  for (const { rule } of entriesOf(json)) {
    if (!isObject(rule) || rule.table !== tableName) continue;
    const chain = String(rule.chain);
    for (const each of listOf(rule.expr)) {
      const { counter } = isObject(each) ? each : {};
      if (!isObject(counter) || typeof counter.packets !== 'number') continue;
      const handle = typeof rule.handle === 'number' ? rule.handle : undefined;
      counters.set(chain, { packets: (counters.get(chain)?.packets ?? 0) + counter.packets, handle });
    }
  }
  return counters;
}
