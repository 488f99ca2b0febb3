import type { FlushConnections } from '../apply/flush-connections.ts';
import type { Compiled } from '../compile/compile.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Clock } from './clock.ts';
import { StaleAddresses } from './stale-addresses.ts';

/**
 * Milliseconds between flushes in the background: a second, and nine times as long as the last flush took. So flushes run for at most a tenth of the time. One
 * listing of 250,000 connections takes a second.
 */
const pauseMs = 1000;
const pauseFactor = 9;
const pauseAfterFailureMs = 60_000;

export interface FlusherOptions {
  readonly flush: FlushConnections;
  readonly clock: Clock;
  /** The connections of addresses were deleted. With an error, some may be left. */
  readonly flushed: (addresses: readonly string[], error?: unknown) => void;
  /** Ends the flushes in the background. */
  readonly signal: AbortSignal;
}

/**
 * Deletes the connections of pods that have gone, so that no packet counts as a reply to them when another pod has their address (S5.17): in the
 * background after the pod has gone, or before its address passes on.
 */
export class ConnectionFlusher {
  readonly #stale = new StaleAddresses();
  readonly #options: FlusherOptions;
  /** Flushes run one at a time. A flush of an address must end before a pod gets the address, or it would delete the pod's own connections. */
  #last: Promise<void> = Promise.resolve();
  /** The flush that changes wait for. The retry of a failed change waits for it too. */
  #awaited: Promise<void> = Promise.resolve();
  #timer: { cancel(): void } | undefined;
  #gatedRanges: readonly string[] = [];
  #nextPauseMs = pauseMs;

  constructor(options: FlusherOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true });
  }

  /** Settles when the addresses that pass to a pod with this change are clean, as far as that succeeds. Never rejects. */
  beforeChange(snapshot: Snapshot, compiled: Compiled, held: Ruleset | undefined): Promise<void> {
    if (this.#gatedRanges.join() !== snapshot.gatedRanges.join()) this.#stale.reset();
    this.#gatedRanges = snapshot.gatedRanges;
    const coming = this.#stale.takeComing(snapshot, compiled, held);
    if (coming.length > 0) this.#awaited = this.#queue(() => this.#flush(coming, []));
    return this.#awaited;
  }

  /** A change is in force. */
  afterChange(): void {
    this.#stale.applied();
    this.#schedule();
  }

  /** The kernel may not have held our tables as they were written. */
  distrust(): void {
    this.#stale.reset();
  }

  #schedule(): void {
    if (this.#timer || this.#options.signal.aborted || !this.#stale.isFlushDue) return;
    this.#timer = this.#options.clock.after(this.#nextPauseMs, () => {
      void this.#queue(() => this.#flushLeft()).then(() => {
        this.#timer = undefined;
        this.#schedule();
      });
    });
  }

  async #flushLeft(): Promise<void> {
    if (!this.#stale.isFlushDue) return;
    const startedAt = this.#options.clock.now();
    const named = await this.#flush([...this.#stale.begin()], this.#gatedRanges);
    if (named) this.#stale.flushed(named);
    else this.#stale.failed();
    const tookMs = this.#options.clock.now() - startedAt;
    this.#nextPauseMs = named ? pauseMs + tookMs * pauseFactor : pauseAfterFailureMs;
  }

  async #flush(addresses: readonly string[], ranges: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    try {
      const named = await this.#options.flush(addresses, ranges);
      this.#options.flushed(addresses);
      return named;
    } catch (error) {
      this.#options.flushed(addresses, error);
      return undefined;
    }
  }

  #queue(flush: () => Promise<unknown>): Promise<void> {
    this.#last = this.#last.then(async () => void (await flush()));
    return this.#last;
  }
}
