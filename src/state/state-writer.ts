import type { Snapshot } from '../model/snapshot.ts';
import { stateOf } from './saved-state.ts';
import { copyState } from './state-copy.ts';
import { encodeInSteps, type EncodedState } from './state-text.ts';

/** Times are milliseconds of a monotonic clock. */
export interface StateClock {
  now(): number;
  after(milliseconds: number, callback: () => void): { cancel(): void };
}

export interface StateObserver {
  /** The disk holds the state of this revision of the Snapshot: it was written, or it does not differ from what was written. */
  current(revision: number): void;
  saved(bytes: number): void;
  failed(error: unknown, retryInMs: number): void;
}

export interface StateWriterOptions {
  readonly node: string;
  /** The current Snapshot; called at the time of the write. */
  readonly snapshot: () => Snapshot;
  /** Writes the chunks of the text durably (`writeState`). */
  readonly write: (chunks: readonly string[]) => Promise<void>;
  readonly clock: StateClock;
  readonly observer: StateObserver;
}

/** Milliseconds. The saved state only matters after a reboot, so it may be a second old, and in a large cluster some seconds (`maxBusyShare`). */
const betweenWritesMs = 1000;
const retryMs = 30_000;
/** The largest share of the time that writes may take, without their pauses. */
const maxBusyShare = 1 / 100;
/** The agent does other work between two slices. A slice can take longer by one step of `encodeInSteps`. */
const sliceMs = 2;
const pauseMs = 10;

/**
 * Keeps the newest state on disk. It writes at most once a second, one write at a time, and only if the state has changed. It copies the state at
 * once and encodes the copy in slices, so what is written is the state of one moment. What changes meanwhile is written later. It reports a failure
 * and tries again.
 */
export class StateWriter {
  readonly #options: StateWriterOptions;
  #dirty = false;
  #writtenHeader = '';
  #notBefore = -Infinity;
  #running: Promise<void> | undefined;
  #timer: { cancel(): void } | undefined;
  /** In the current write. */
  #pausedMs = 0;
  #isFinishing = false;
  #endPause: () => void = () => {};

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** To be called when the kernel holds the rules of the current cluster, not those of a restored state. */
  changed(): void {
    this.#dirty = true;
    this.#start();
  }

  /** Writes a pending state at once. Never rejects. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    this.#endPause();
    while (this.#running) await this.#running;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#dirty) await this.#run();
    this.#isFinishing = false;
  }

  #start(): void {
    if (!this.#dirty || this.#running || this.#timer) return;
    const wait = this.#notBefore - this.#options.clock.now();
    if (wait > 0) {
      this.#timer = this.#options.clock.after(wait, () => {
        this.#timer = undefined;
        this.#start();
      });
      return;
    }
    this.#running = this.#run().then(() => {
      this.#running = undefined;
      this.#start();
    });
  }

  async #run(): Promise<void> {
    const { clock, observer } = this.#options;
    const startedAt = clock.now();
    this.#dirty = false;
    this.#pausedMs = 0;
    let pause = betweenWritesMs;
    try {
      await this.#write();
    } catch (error) {
      this.#dirty = true;
      pause = retryMs;
      observer.failed(error, retryMs);
    }
    const busyMs = clock.now() - startedAt - this.#pausedMs;
    this.#notBefore = startedAt + Math.max(pause, busyMs / maxBusyShare);
  }

  async #write(): Promise<void> {
    const { node, snapshot, write, observer } = this.#options;
    const current = snapshot();
    // The indexer may change the Snapshot during the write.
    const { revision } = current;
    const { header, chunks } = await this.#runInSlices(encodeInSteps(copyState(stateOf(current)), node));
    if (header !== this.#writtenHeader) {
      await write(chunks);
      this.#writtenHeader = header;
      observer.saved(chunks.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0));
    }
    observer.current(revision);
  }

  async #runInSlices(steps: Generator<void, EncodedState>): Promise<EncodedState> {
    const { clock } = this.#options;
    let sliceEnd = clock.now() + sliceMs;
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      if (clock.now() < sliceEnd || this.#isFinishing) continue;
      await this.#pause();
      sliceEnd = clock.now() + sliceMs;
    }
  }

  async #pause(): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(pauseMs, resolve);
    this.#endPause = resolve;
    await promise;
    timer.cancel();
    this.#pausedMs += clock.now() - startedAt;
  }
}
