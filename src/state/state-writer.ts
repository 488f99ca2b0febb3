import { createHash } from 'node:crypto';
import type { Snapshot } from '../model/snapshot.ts';
import { stateOf } from './saved-state.ts';
import { encodeState } from './state-text.ts';

/** Times are milliseconds of a monotonic clock. */
export interface StateClock {
  now(): number;
  after(milliseconds: number, callback: () => void): { cancel(): void };
}

export interface StateObserver {
  saved(bytes: number): void;
  failed(error: unknown, retryInMs: number): void;
}

export interface StateWriterOptions {
  readonly node: string;
  /** The current Snapshot; called at the time of the write. */
  readonly snapshot: () => Snapshot;
  /** Writes the text durably (`writeState`). */
  readonly write: (text: string) => Promise<void>;
  readonly clock: StateClock;
  readonly observer: StateObserver;
}

const betweenWritesMs = 1000;
const retryMs = 30_000;
/** The largest share of the time that writes may take. */
const maxBusyShare = 1 / 20;

/**
 * Keeps the newest state on disk. It writes at most once a second, one write at a time, and only if the state has changed. It reports a failure and
 * tries again.
 */
export class StateWriter {
  readonly #options: StateWriterOptions;
  #dirty = false;
  #writtenHash = '';
  #notBefore = -Infinity;
  #running: Promise<void> | undefined;
  #timer: { cancel(): void } | undefined;

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
    while (this.#running) await this.#running;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#dirty) await this.#run();
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
    let pause = betweenWritesMs;
    try {
      await this.#write();
    } catch (error) {
      this.#dirty = true;
      pause = retryMs;
      observer.failed(error, retryMs);
    }
    this.#notBefore = startedAt + Math.max(pause, (clock.now() - startedAt) / maxBusyShare);
  }

  async #write(): Promise<void> {
    const { node, snapshot, write, observer } = this.#options;
    const text = encodeState(stateOf(snapshot()), node);
    const hash = createHash('sha256').update(text).digest('base64');
    if (hash === this.#writtenHash) return;
    await write(text);
    this.#writtenHash = hash;
    observer.saved(Buffer.byteLength(text));
  }
}
