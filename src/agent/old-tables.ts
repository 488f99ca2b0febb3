import type { Nft } from '../apply/nft.ts';
import { tableName } from '../nftables/ruleset.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Tables that another version has left. They judge beside ours, by what was true when they were written, until ours are in force. */
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

  /** Deletes them, once: one that stays is for whoever reads the log. */
  async remove(): Promise<void> {
    const families = this.#families;
    this.#families = [];
    for (const family of families) {
      const table = `${family} ${tableName}`;
      try {
        await this.#nft.run(`delete table ${table}\n`, { check: false, signal: this.#signal });
        this.#logger.info({ table }, 'the table of another version is deleted: ours are in force');
      } catch (err) {
        this.#logger.error({ err, table }, 'could not delete the table of another version: run nft delete table');
      }
    }
  }
}
