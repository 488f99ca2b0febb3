import type { Transaction } from '../nftables/transactions.ts';

/**
 * `fine`: all transactions since the last look were ours. `wait`: one of ours is under way, or nft has not told of it yet. `foreign`: another
 * program has changed our tables. `unclear`: it may have, and `unnamed`: it may have, since nft cannot name what it knows nothing of.
 */
export type Judgement = 'fine' | 'wait' | 'foreign' | 'unclear' | 'unnamed';

/** nft tells of a transaction within milliseconds; one of ours that changed nothing is none, and never told of. */
const patienceMs = 2000;

/**
 * Which transactions on this node's rules are not ours: those that are left when each write of ours has one. The number of the process that nft
 * tells is of no use: an agent in a container does not know its children by that number.
 */
export class ChangeBook {
  #ours = 0;
  #unnamed = 0;
  #written = 0;
  #writing = 0;
  /** As long as nobody has looked at all that our tables hold. */
  #isUnclear = true;
  #lateSince: number | undefined;

  told(transaction: Transaction): void {
    if (transaction === 'ours') this.#ours++;
    else if (transaction === 'unnamed') this.#unnamed++;
    else if (transaction === 'lost') this.#isUnclear = true;
  }

  /** Of what comes until the next look, some may be missed. */
  missed(): void {
    this.#isUnclear = true;
  }

  writing(): void {
    this.#writing++;
  }

  /** A write that failed may have been done. */
  wrote(isDone: boolean): void {
    this.#writing--;
    if (isDone) this.#written++;
    else this.#isUnclear = true;
  }

  /** A look at all that our tables hold begins: what was done before will be seen. */
  looking(): void {
    this.#clear();
    this.#isUnclear = false;
  }

  judge(now: number): Judgement {
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
    return now - this.#lateSince > patienceMs ? 'unclear' : 'wait';
  }

  #clear(): void {
    this.#ours = this.#unnamed = this.#written = 0;
    this.#lateSince = undefined;
  }
}
