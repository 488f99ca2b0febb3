import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import { elementParser } from './parse-element.ts';
import type { KeyType } from './ruleset.ts';
import { tableName } from './ruleset.ts';

/** An element of a set of records, which a packet added. */
export interface ListedRecord {
  readonly set: string;
  /** The components of its key. */
  readonly key: readonly string[];
  readonly packets: number;
  /** Time until the kernel deletes it. */
  readonly secondsLeft: number;
}

/** The records in sets of Postern's tables, from nft's JSON of a table or of sets. Skips elements without counter or expiry. */
export function parseRecords(json: string): ListedRecord[] {
  const records: ListedRecord[] = [];
  for (const { set } of entriesOf(json)) {
    if (!isObject(set) || set.table !== tableName) continue;
    const parseElement = elementParser(listOf(set.type) as readonly KeyType[]);
    for (const each of listOf(set.elem)) {
      const { elem } = isObject(each) ? each : {};
      if (!isObject(elem) || !isObject(elem.counter) || typeof elem.expires !== 'number') continue;
      const text = parseElement(elem.val);
      const { packets } = elem.counter;
      if (text === undefined || typeof packets !== 'number') continue;
      records.push({ set: String(set.name), key: text.split(' . '), packets, secondsLeft: elem.expires });
    }
  }
  return records;
}
