import type { NftMonitor, StartMonitor } from '../apply/nft-monitor.ts';
import { messageOf } from '../lib/message-of.ts';
import type { Transaction } from '../nftables/transactions.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ApplyMetrics } from '../telemetry/metrics/apply.ts';
import { backoffDelay } from '../watch/backoff.ts';
import { TransactionTracker } from './transaction-tracker.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { Clock } from './clock.ts';
import type { Reconciler } from './reconciler.ts';
import { repeat } from './repeat.ts';

export interface DriftEvents {
  /** `nft monitor` reports all changes from now on. */
  listening(): void;
  /** `nft monitor` failed, and starts again after `retryIn` milliseconds. Until then the agent compares only the chains that every packet meets. */
  deaf(reason: string, retryIn: number): void;
}

export interface DriftWatchOptions {
  readonly startMonitor: StartMonitor;
  readonly clock: Clock;
  readonly events: DriftEvents;
}

/**
 * Milliseconds between two looks. Look and restoration together take less than the second that S7.16 allows, also on a node with busy CPUs. A look
 * lists one chain of each table if the kernel has had a transaction, else every 10 s, in separate commands: nft 1.1.3 finds only the last of several tables. nft reads the
 * headers of all sets for it (K19).
 */
const interval = 300;

/** Looks regularly until the signal aborts. */
export function watchDrift(watch: DriftWatch, reconciler: Reconciler, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.error({ err }, "could not check Postern's tables");
  signal.addEventListener('abort', () => watch.close(), { once: true });
  repeat(interval, () => watch.look(reconciler), { signal, failed });
}

/** Logs and counts. It logs only the first of a series of failures. */
export function driftReport(metrics: Pick<ApplyMetrics, 'monitor'>, logger: Logger): DriftEvents {
  let isDeaf = false;
  return {
    listening() {
      metrics.monitor(true);
      if (isDeaf) logger.info("nft monitor runs again: the agent sees every change of Postern's tables");
      isDeaf = false;
    },
    deaf(reason, retryIn) {
      metrics.monitor(false);
      if (isDeaf) return;
      isDeaf = true;
      const message =
        'nft monitor does not run: until it runs, the agent sees changes by other programs only in the chains that every packet meets';
      logger.warn({ reason, retryAfterSeconds: retryIn / 1000 }, message);
    },
  };
}

const backoff = { firstMs: 1000, maxMs: 60_000 };
/** `nft monitor` is restarted after so many transactions: it keeps a kilobyte for each anonymous set of other programs. */
const mostTransactions = 20_000;
/** If it is unclear whether something has changed, reads pause for nine times their duration. So they take at most a tenth of the time. */
const restShare = 9;

/** Detects changes of our tables by other programs (S7.18). `nft monitor` reports each transaction on the node. If one may be foreign, the reconciler reads our tables. */
export class DriftWatch {
  readonly #options: DriftWatchOptions;
  readonly #tracker = new TransactionTracker();
  readonly #firstStart = Promise.withResolvers<void>();
  #monitor: NftMonitor | undefined;
  #isListening = false;
  #transactions = 0;
  #failures = 0;
  #startAt = -Infinity;
  #readAgainAt = -Infinity;
  #isClosed = false;

  constructor(options: DriftWatchOptions) {
    this.#options = options;
  }

  /** Resolves when the first `nft monitor` listens or has failed. A read that begins earlier may miss changes, so it must be repeated. */
  get firstStart(): Promise<void> {
    return this.#firstStart.promise;
  }

  /** Whether `nft monitor` has reported every transaction since the last full read began, and none was of another program. */
  get isCurrent(): boolean {
    return this.#isListening && this.#tracker.judge(this.#options.clock.now()) === 'fine';
  }

  /** Whether another program has certainly changed our tables since the last full read began. */
  get isForeign(): boolean {
    return this.#isListening && this.#tracker.judge(this.#options.clock.now()) === 'foreign';
  }

  /** Wraps the kernel, so that the tracker counts the agent's writes and full reads. */
  behind<D extends KernelTables>(kernel: D): D {
    const { clock } = this.#options;
    return {
      ...kernel,
      observe: async (signal) => {
        this.#tracker.beginRead();
        const begunAt = clock.now();
        try {
          return await kernel.observe(signal);
        } catch (error) {
          this.#tracker.missed();
          throw error;
        } finally {
          this.#readAgainAt = clock.now() + restShare * (clock.now() - begunAt);
        }
      },
      run: async (operations, options) => {
        if (options.check) return kernel.run(operations, options);
        this.#tracker.beginWrite();
        let isDone = false;
        try {
          await kernel.run(operations, options);
          isDone = true;
        } finally {
          this.#tracker.endWrite(isDone);
        }
      },
    };
  }

  /** To be called regularly. */
  async look(reconciler: Pick<Reconciler, 'verify' | 'suspect'>): Promise<void> {
    const now = this.#options.clock.now();
    if (!this.#monitor && now >= this.#startAt) this.#start();
    await reconciler.verify();
    if (!this.#isListening) return;
    const verdict = this.#tracker.judge(now);
    if (verdict === 'fine' && this.#transactions > mostTransactions) return this.#restart();
    if (verdict === 'fine' || verdict === 'wait') return;
    if (verdict !== 'foreign' && now < this.#readAgainAt) return;
    // A new nft monitor reads the names of all current objects.
    if (verdict === 'unnamed') return this.#restart();
    reconciler.suspect(verdict === 'foreign');
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
    const reported = (transaction: Transaction): void => {
      if (!isCurrent()) return;
      this.#transactions++;
      this.#tracker.reported(transaction);
    };
    const monitor = startMonitor(reported);
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
      this.#firstStart.resolve();
      events.deaf(reason, retryIn);
    };
    void monitor.ended.then(ended);
    monitor.listening.then(
      () => {
        if (!isCurrent()) return;
        listeningSince = clock.now();
        this.#isListening = true;
        this.#tracker.missed();
        this.#firstStart.resolve();
        events.listening();
      },
      (error: unknown) => ended(messageOf(error)),
    );
  }
}
