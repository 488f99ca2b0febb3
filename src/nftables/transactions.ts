import { tableName } from './ruleset.ts';

/**
 * Whose tables a transaction has changed. `unnamed`: nft could not name all that it changed. `lost`: the kernel has left out messages, so
 * there may have been any number of transactions.
 */
export type Transaction = 'ours' | 'others' | 'unnamed' | 'lost';

/**
 * How nft tells of transactions. `-t`: it remembers no elements of sets, `-e`: nor what is made later, so that it stays small; of a set or table that is
 * made later it then says only that it is unknown. Its options work for the monitor where a listing comes before it, here one that is
 * always empty (seen with nft 1.1.3; K32).
 */
export const monitorArguments: readonly string[] = ['-n', '-t', '-e', 'list ruleset arp; monitor'];

const generation = /^# new generation ([0-9]+)/;
/** `add rule ip postern forward …`, `add ct helper ip postern …`; also of a family that only another version of ours has. */
const naming = new RegExp(`^[a-z]+ (?:ct )?[a-z]+ [a-z0-9]+ ${tableName}(?!\\S)`);
const known = /^(?:add|create|insert|replace|delete|destroy) /;
/** An object that nft prints on several lines. */
const continued = /^[\s}]/;

/** Reads what `nft monitor` prints on both its streams, in their order: lines for what a transaction changed, then its generation. */
export class TransactionReader {
  #rest = '';
  #isOurs = false;
  #isUnnamed = false;
  #hasLines = false;
  #generation: number | undefined;

  /** The transactions that have come to their end with this text. */
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
