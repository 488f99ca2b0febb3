import type { NftMonitor, StartMonitor } from '../apply/nft-monitor.ts';
import type { Transaction } from '../nftables/transactions.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ApplyMetrics } from '../telemetry/metrics/apply.ts';
import { backoffDelay } from '../watch/backoff.ts';
import { ChangeBook } from './change-book.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { Clock, Reconciler } from './reconciler.ts';
import { repeat } from './repeat.ts';

export interface DriftEvents {
  /** nft tells of all changes from now on. */
  listening(): void;
  /** It does not, for this reason; it is tried again. Until then only the chains that every packet meets are compared. */
  deaf(reason: string, retryIn: number): void;
}

export interface DriftWatchOptions {
  readonly startMonitor: StartMonitor;
  readonly clock: Clock;
  readonly events: DriftEvents;
}

/**
 * Milliseconds between two looks: with the restoring less than the second that S7.16 allows, also on a node whose processors are busy. A look lists one
 * chain of each table (nft 1.1.3 finds only the last of several tables): 0.2 ms of a processor by the nft that stays, 7 ms where one has to be started.
 */
const interval = 300;

/** Looks again and again until the signal aborts. */
export function watchDrift(watch: DriftWatch, reconciler: Reconciler, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.error({ err }, 'could not look at our tables');
  signal.addEventListener('abort', () => watch.close(), { once: true });
  repeat(interval, () => watch.look(reconciler), { signal, failed });
}

/** Logs and counts. Of a series of failures the first is logged. */
export function driftReport(metrics: Pick<ApplyMetrics, 'monitor'>, logger: Logger): DriftEvents {
  let isDeaf = false;
  return {
    listening() {
      metrics.monitor(true);
      if (isDeaf) logger.info('nft monitor runs again: all changes of our tables are seen');
      isDeaf = false;
    },
    deaf(reason, retryIn) {
      metrics.monitor(false);
      if (isDeaf) return;
      isDeaf = true;
      const told =
        'nft monitor does not run: until it does, of changes by other programs the agent sees only those of the chains that every packet meets';
      logger.warn({ reason, retryAfterSeconds: retryIn / 1000 }, told);
    },
  };
}

const backoff = { firstMs: 1000, maxMs: 60_000 };
/** Of each anonymous set that others make, the nft that listens keeps a kilobyte. */
const mostTransactions = 20_000;
/** Where it is not clear whether anything has changed, looks take at most a tenth of the time. */
const restShare = 9;

/** Finds any change of our tables that is not ours (S7.18): nft tells of each transaction on the node, and those that may be foreign lead to a look. */
export class DriftWatch {
  readonly #options: DriftWatchOptions;
  readonly #book = new ChangeBook();
  #monitor: NftMonitor | undefined;
  #isListening = false;
  #transactions = 0;
  #failures = 0;
  #startAt = -Infinity;
  #lookAgainAt = -Infinity;
  #isClosed = false;

  constructor(options: DriftWatchOptions) {
    this.#options = options;
  }

  /** The kernel, whose writes are known to be ours from now on, and whose looks to be looks. */
  behind<D extends KernelTables>(kernel: D): D {
    const { clock } = this.#options;
    return {
      ...kernel,
      observe: async (signal) => {
        this.#book.looking();
        const begunAt = clock.now();
        try {
          return await kernel.observe(signal);
        } catch (error) {
          this.#book.missed();
          throw error;
        } finally {
          this.#lookAgainAt = clock.now() + restShare * (clock.now() - begunAt);
        }
      },
      run: async (operations, options) => {
        if (options.check) return kernel.run(operations, options);
        this.#book.writing();
        let isDone = false;
        try {
          await kernel.run(operations, options);
          isDone = true;
        } finally {
          this.#book.wrote(isDone);
        }
      },
    };
  }

  /** To be called again and again. */
  async look(reconciler: Pick<Reconciler, 'verify' | 'suspect'>): Promise<void> {
    const now = this.#options.clock.now();
    if (!this.#monitor && now >= this.#startAt) this.#start();
    await reconciler.verify();
    if (!this.#isListening) return;
    const judgement = this.#book.judge(now);
    if (judgement === 'fine' && this.#transactions > mostTransactions) return this.#restart();
    if (judgement === 'fine' || judgement === 'wait') return;
    if (judgement !== 'foreign' && now < this.#lookAgainAt) return;
    // One that starts now knows all that there is.
    if (judgement === 'unnamed') return this.#restart();
    reconciler.suspect();
  }

  close(): void {
    this.#isClosed = true;
    this.#monitor?.close();
  }

  #restart(): void {
    this.#monitor?.close();
    this.#start();
  }

  #start(): void {
    const { startMonitor, clock, events } = this.#options;
    if (this.#isClosed) return;
    const isCurrent = (): boolean => this.#monitor === monitor && !this.#isClosed;
    this.#isListening = false;
    this.#transactions = 0;
    const told = (transaction: Transaction): void => {
      if (!isCurrent()) return;
      this.#transactions++;
      this.#book.told(transaction);
    };
    const monitor = startMonitor(told);
    this.#monitor = monitor;
    let listeningSince = Infinity;
    const ended = (reason: string): void => {
      if (!isCurrent()) return;
      monitor.close();
      this.#monitor = undefined;
      this.#isListening = false;
      if (clock.now() - listeningSince > backoff.maxMs) this.#failures = 0;
      const retryIn = backoffDelay(this.#failures++, backoff, () => clock.random());
      this.#startAt = clock.now() + retryIn;
      events.deaf(reason, retryIn);
    };
    void monitor.ended.then(ended);
    monitor.listening.then(
      () => {
        if (!isCurrent()) return;
        listeningSince = clock.now();
        this.#isListening = true;
        this.#book.missed();
        events.listening();
      },
      (error: unknown) => ended(error instanceof Error ? error.message : String(error)),
    );
  }
}
