import type { Transaction } from '../nftables/transactions.ts';

/**
 * `fine`: the agent wrote all transactions since the last full read. `wait`: a write of the agent is in progress, or nft has not reported it yet.
 * `foreign`: another program changed our tables. `unclear`: another program may have changed them. `unnamed`: it may have, because nft could not name
 * the table of a transaction.
 */
export type DriftVerdict = 'fine' | 'wait' | 'foreign' | 'unclear' | 'unnamed';

/** nft reports a transaction within milliseconds. The kernel creates no transaction if a write of the agent changes nothing. */
const reportDelayMs = 2000;

/**
 * Detects transactions of other programs. It compares the number of transactions of our tables that nft reports with the number of the agent's writes.
 * The process id that nft reports does not help: an agent in a container does not know its children by that number.
 */
export class TransactionTracker {
  #ours = 0;
  #unnamed = 0;
  #written = 0;
  #writing = 0;
  /** Writes in progress that may have been reported before `missed`. */
  #uncounted = 0;
  /** True until the agent reads all of our tables. */
  #isUnclear = true;
  #lateSince: number | undefined;

  reported(transaction: Transaction): void {
    if (transaction === 'ours') this.#ours++;
    else if (transaction === 'unnamed') this.#unnamed++;
    else if (transaction === 'lost') this.missed();
  }

  /**
   * Some transactions may not have been reported. A report of an earlier write of the agent may still come. It counts as foreign, which costs a read. If
   * the write counted and its report were lost, a foreign transaction could take its place.
   */
  missed(): void {
    this.#clear();
    this.#uncounted = this.#writing;
    this.#isUnclear = true;
  }

  beginWrite(): void {
    this.#writing++;
  }

  /** The kernel may have applied a write that failed. */
  endWrite(isDone: boolean): void {
    this.#writing--;
    if (this.#uncounted > 0) this.#uncounted--;
    else if (isDone) this.#written++;
    else this.#isUnclear = true;
  }

  /** A read of all our tables begins. It will show the result of all earlier transactions. nft may report the agent's own ones later. */
  beginRead(): void {
    const late = Math.max(0, this.#written - this.#ours - this.#unnamed);
    this.#clear();
    this.#written = late;
    this.#isUnclear = false;
  }

  judge(now: number): DriftVerdict {
    if (this.#isUnclear) return 'unclear';
    if (this.#ours > this.#written + this.#writing) return 'foreign';
    if (this.#writing > 0) return 'wait';
    const most = this.#ours + this.#unnamed;
    if (most > this.#written) return 'unnamed';
    if (most === this.#written) {
      this.#clear();
      return 'fine';
    }
    this.#lateSince ??= now;
    if (now - this.#lateSince <= reportDelayMs) return 'wait';
    this.missed();
    return 'unclear';
  }

  #clear(): void {
    this.#ours = this.#unnamed = this.#written = 0;
    this.#lateSince = undefined;
  }
}
