export interface Clocks {
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly steady: () => number;
}

/** The pause after a read is at least so many times as long as the read: reading takes a fifth of the time at most. */
const pauseFactor = 4;

/** What is read again and again, and who asks for it in between. One read runs at a time, however many ask. */
export class SharedRead<Value> {
  readonly #read: () => Promise<Value>;
  readonly #pauseMs: number;
  readonly #clocks: Clocks;
  #running: Promise<void> | undefined;
  #due = -Infinity;
  #state: ReadState<Value> = { reads: 0 };

  /** @param pauseMs from the end of a read to the next one, at least */
  constructor(read: () => Promise<Value>, pauseMs: number, clocks: Clocks) {
    this.#read = read;
    this.#pauseMs = pauseMs;
    this.#clocks = clocks;
  }

  get state(): ReadState<Value> {
    return this.#state;
  }

  /** Begins a read if it is due. Resolves when none runs. Never rejects. */
  refresh(): Promise<void> {
    if (!this.#running && this.#clocks.steady() >= this.#due) this.#running = this.#run();
    return this.#running ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    const { wall, steady } = this.#clocks;
    const began = steady();
    const reads = this.#state.reads + 1;
    try {
      this.#state = { reads, last: { value: await this.#read(), at: wall() } };
    } catch (failure) {
      this.#state = { ...this.#state, reads, failure };
    }
    const ended = steady();
    this.#due = ended + Math.max(this.#pauseMs, pauseFactor * (ended - began));
    this.#running = undefined;
  }
}

export interface ReadState<Value> {
  /** Reads that have ended. */
  readonly reads: number;
  /** The last one that did not fail, and when it ended. */
  readonly last?: { readonly value: Value; readonly at: number };
  /** Why the reads since then have failed. */
  readonly failure?: unknown;
}
