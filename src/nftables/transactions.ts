import { tableFamilies, tableName } from './ruleset.ts';

/**
 * The tables that a transaction changed: Postern's or others. `unnamed`: nft could not name all changed objects. `lost`: the kernel dropped messages,
 * so any number of transactions may have happened.
 */
export type Transaction = 'ours' | 'others' | 'unnamed' | 'lost';

/**
 * Arguments of `nft monitor`. To keep nft small, `-t` makes it cache no elements of sets, and `-e` no objects that are made later; nft then reports
 * such a set or table as unknown. The options affect the monitor only after a listing, so the arguments begin with an always empty one
 * (seen with nft 1.1.3; K32).
 */
export const monitorArguments: readonly string[] = ['-n', '-t', '-e', 'list ruleset arp; monitor'];

const generation = /^# new generation ([0-9]+)/;
/** `add rule ip postern forward …`, `add ct helper ip postern …` */
const naming = new RegExp(`^[a-z]+ (?:ct )?[a-z]+ (?:${tableFamilies.join('|')}) ${tableName}(?!\\S)`);
const known = /^(?:add|create|insert|replace|delete|destroy) /;
/** A continuation line of an object that nft prints on several lines. */
const continued = /^[\s}]/;

/** Parses stdout and stderr of `nft monitor`, in order: lines for the changes of a transaction, then its generation. */
export class TransactionReader {
  #rest = '';
  #isOurs = false;
  #isUnnamed = false;
  #hasLines = false;
  #generation: number | undefined;

  /** Returns the transactions that end in this text. */
  read(text: string): Transaction[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#readLine(line));
  }

  #readLine(line: string): Transaction[] {
    const ended = generation.exec(line);
    if (ended) return this.#end(Number(ended[1]));
    this.#hasLines = true;
    if (naming.test(line)) this.#isOurs = true;
    else if (!known.test(line) && !continued.test(line)) this.#isUnnamed = true;
    return [];
  }

  #end(number: number): Transaction[] {
    const isNext = this.#generation === undefined || number === this.#generation + 1;
    const which = this.#isOurs ? 'ours' : this.#isUnnamed || !this.#hasLines ? 'unnamed' : 'others';
    this.#generation = number;
    this.#isOurs = this.#isUnnamed = this.#hasLines = false;
    return isNext ? [which] : ['lost', which];
  }
}
