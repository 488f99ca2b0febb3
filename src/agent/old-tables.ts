import type { Nft } from '../apply/nft.ts';
import { tableName } from '../nftables/ruleset.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Deletes tables that another version has left. Until our tables are in force, the old tables still enforce the state of the time when they were written. */
export class OldTables {
  readonly #nft: Pick<Nft, 'run'>;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  #families: readonly string[] = [];

  constructor(nft: Pick<Nft, 'run'>, logger: Logger, signal: AbortSignal) {
    this.#nft = nft;
    this.#logger = logger;
    this.#signal = signal;
  }

  found(families: readonly string[]): void {
    this.#families = families;
  }

  /** Deletes the tables. It tries once: if that fails, an operator must delete the table that the log names. */
  async remove(): Promise<void> {
    const families = this.#families;
    this.#families = [];
    for (const family of families) {
      const table = `${family} ${tableName}`;
      try {
        await this.#nft.run(`delete table ${table}\n`, { check: false, signal: this.#signal });
        this.#logger.info({ table }, 'deleted the table of another version: the tables of this version are in force');
      } catch (err) {
        this.#logger.error({ err, table }, 'could not delete the table of another version: run nft delete table');
      }
    }
  }
}
