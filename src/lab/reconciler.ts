/**
 * Calls `reconcile` for a key after every `add`, never in parallel for one key, and for at most `concurrency` keys at a time. Reports a
 * failure and retries after `retryMs`.
 */
export class Reconciler {
  readonly #reconcile: (key: string) => Promise<void>;
  readonly #onError: (key: string, error: unknown) => void;
  readonly #concurrency: number;
  readonly #retryMs: number;
  readonly #dirty = new Set<string>();
  readonly #running = new Set<string>();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  #onIdle: (() => void)[] = [];
  #stopped = false;

  constructor(options: {
    readonly reconcile: (key: string) => Promise<void>;
    readonly onError: (key: string, error: unknown) => void;
    readonly concurrency?: number;
    readonly retryMs?: number;
  }) {
    this.#reconcile = options.reconcile;
    this.#onError = options.onError;
    this.#concurrency = options.concurrency ?? 4;
    this.#retryMs = options.retryMs ?? 1000;
  }

  add(key: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#retries.get(key));
    this.#retries.delete(key);
    this.#dirty.add(key);
    this.#next();
  }

  /** Resolves when no call runs. Pending retries do not count. */
  async idle(): Promise<void> {
    if (this.#dirty.size > 0 || this.#running.size > 0) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    }
  }

  /** Starts no further call, and resolves when running calls have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dirty.clear();
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    await this.idle();
  }

  #next(): void {
    for (const key of this.#dirty) {
      if (this.#running.size >= this.#concurrency) return;
      if (this.#running.has(key)) continue;
      this.#dirty.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#reconcile(key);
    } catch (error) {
      this.#onError(key, error);
      if (!this.#stopped)
        this.#retries.set(
          key,
          setTimeout(() => this.add(key), this.#retryMs),
        );
    }
    this.#running.delete(key);
    this.#next();
    if (this.#dirty.size > 0 || this.#running.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
