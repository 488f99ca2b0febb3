import { unsavedTable } from '../nftables/ruleset.ts';
import type { Nft } from '../apply/nft.ts';
import type { KernelTables } from './kernel-tables.ts';

export interface UnsavedMarkOptions {
  readonly nft: Pick<Nft, 'run'>;
  readonly signal: AbortSignal;
  /** Called for the first of a series of failures. */
  readonly failed: (error: unknown) => void;
}

/** Milliseconds. A mark that nft does not write in time delays no change for longer. */
const timeoutMs = 2000;
const add = `add table ip ${unsavedTable}\n`;
/** Also works if there is no mark. */
const remove = `${add}delete table ip ${unsavedTable}\n`;

/**
 * Marks the kernel while its rules may be newer than the saved state: an empty table. An agent that finds the mark does not replace the rules by the
 * saved state. The mark is in the kernel before a newer rule is, and goes once the newer state is on the disk. So it holds for a disk that fails, and
 * for an agent that is killed at any moment. A reboot, or a flush of all rules, removes mark and rules together.
 *
 * Revisions are those of the Snapshot of the cluster. They grow.
 */
export class UnsavedMark {
  readonly #options: UnsavedMarkOptions;
  #planned = -Infinity;
  #saved = -Infinity;
  /** `undefined`: not known. */
  #isSet: boolean | undefined;
  #isFailing = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: UnsavedMarkOptions) {
    this.#options = options;
  }

  /** To be called before the kernel gets rules of this revision. */
  planned(revision: number): void {
    this.#planned = Math.max(this.#planned, revision);
  }

  /** To be called when the disk holds the state of this revision. */
  saved(revision: number): Promise<void> {
    this.#saved = Math.max(this.#saved, revision);
    return this.#settle();
  }

  /** Sets the mark before each change that needs it. A mark that cannot be set does not stop the change: the rules of now come before those of a later start. */
  behind<K extends KernelTables>(kernel: K): K {
    return {
      ...kernel,
      // Another program may have deleted our tables and the mark.
      observe: async (signal) => {
        this.#isSet = undefined;
        return kernel.observe(signal);
      },
      run: async (operations, options) => {
        if (!options.check && this.#isNeeded) await this.#settle();
        await kernel.run(operations, options);
      },
    };
  }

  get #isNeeded(): boolean {
    return this.#planned > this.#saved;
  }

  /** One at a time, so that a removal is over before a change asks for the mark. Never rejects. */
  #settle(): Promise<void> {
    this.#last = this.#last.then(async () => {
      const isNeeded = this.#isNeeded;
      if (this.#isSet === isNeeded) return;
      const { nft, signal, failed } = this.#options;
      this.#isSet = undefined;
      try {
        await nft.run(isNeeded ? add : remove, { check: false, signal, timeoutMs });
        this.#isSet = isNeeded;
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing && !signal.aborted) failed(error);
        this.#isFailing = true;
      }
    });
    return this.#last;
  }
}
