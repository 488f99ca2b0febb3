import { entriesOf } from './entries.ts';
import { isObject, listOf } from './json.ts';
import { elementParser } from './parse-element.ts';
import type { KeyType } from './ruleset.ts';
import { tableName } from './ruleset.ts';

/** What packets noted in a set of records, as one element. */
export interface NotedRecord {
  readonly set: string;
  /** The components of its key. */
  readonly key: readonly string[];
  readonly packets: number;
  /** Until the kernel forgets it. */
  readonly secondsLeft: number;
}

/** What is in the sets of records of our tables, from nft's JSON of a table or of sets. What does not fit is left out. */
export function parseRecords(json: string): NotedRecord[] {
  const records: NotedRecord[] = [];
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
