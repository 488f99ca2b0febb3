import type { FlushConnections } from '../apply/flush-connections.ts';
import type { Compiled } from '../compile/compile.ts';
import type { NodeFact } from '../model/cluster.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Clock } from './clock.ts';
import { StaleAddresses } from './stale-addresses.ts';

/** Milliseconds before a flush for which no pod waits. */
const restMs = 1000;
/**
 * A flush begins at the earliest after nine times the last one's duration; after a failure, it waits for at most a minute. So flushes that succeed take at most a tenth
 * of the time, and those that end at their limit of 30 s a third. One listing of 250,000 connections takes a second.
 */
const pauseFactor = 9;
const firstBackoffMs = 1000;
const lastBackoffMs = 60_000;

/** A flush that ended. */
export interface Flush {
  readonly addresses: readonly string[];
  /** Those of `addresses` that are denied until a flush succeeds. */
  readonly denied: ReadonlySet<string>;
  /** Some connections may be left. */
  readonly error?: unknown;
}

export interface FlusherOptions {
  readonly flush: FlushConnections;
  readonly clock: Clock;
  /** Called with the fact `unflushed` at each change. */
  readonly tell: (fact: NodeFact) => void;
  readonly flushed: (flush: Flush) => void;
  /** Ends the flushes. */
  readonly signal: AbortSignal;
}

/**
 * Deletes the connections of pods that have gone, so that no packet counts as a reply to them when another pod has their address (S5.17). If the address
 * passes on before that, it is denied until a flush succeeds. Nothing else waits.
 */
export class ConnectionFlusher {
  readonly #stale = new StaleAddresses();
  readonly #options: FlusherOptions;
  /** Addresses that are denied until their connections are deleted. */
  #unflushed = new Set<string>();
  /** Those of `#unflushed` that the kernel denies by now. Only from then on a flush finds all connections of the earlier pod. */
  #denied: ReadonlySet<string> = new Set();
  #timer: { cancel(): void } | undefined;
  /** When the timer fires. */
  #due = 0;
  #isRunning = false;
  #gatedRanges: readonly string[] = [];
  /** No flush begins earlier. */
  #notBefore = -Infinity;
  #failures = 0;
  /** How often the kernel may have lost what it denies. */
  #distrusts = 0;

  constructor(options: FlusherOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true });
  }

  /**
   * Reads a change that is about to be applied. If stale addresses pass to a pod with it, these are denied from now on: the caller must plan again.
   * @param held what the kernel holds
   * @returns whether that is so
   */
  denyStale(snapshot: Snapshot, compiled: Compiled, held: Ruleset | undefined): boolean {
    if (this.#gatedRanges.join() !== snapshot.gatedRanges.join()) this.#stale.reset();
    this.#gatedRanges = snapshot.gatedRanges;
    const coming = this.#stale.takeComing(snapshot, compiled, held).filter((address) => !this.#unflushed.has(address));
    if (coming.length === 0) return false;
    for (const address of coming) this.#unflushed.add(address);
    this.#tell();
    return true;
  }

  /** Number of addresses that are denied until a flush succeeds. */
  get unflushed(): number {
    return this.#unflushed.size;
  }

  /** A change is in force. */
  applied(): void {
    this.#stale.applied();
    this.#denied = new Set(this.#unflushed);
    this.#schedule();
  }

  /** The kernel may not have held our tables as they were written. */
  distrust(): void {
    this.#distrusts++;
    this.#denied = new Set();
    this.#stale.reset();
  }

  #tell(): void {
    this.#options.tell({ op: 'unflushed', addresses: [...this.#unflushed] });
  }

  #schedule(): void {
    const { clock, signal } = this.#options;
    const isAwaited = this.#denied.size > 0;
    if (this.#isRunning || signal.aborted || !(isAwaited || this.#stale.isFlushDue)) return;
    const now = clock.now();
    const due = Math.max(this.#notBefore, isAwaited ? now : now + restMs);
    if (this.#timer && this.#due <= due) return;
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = clock.after(due - now, () => void this.#run());
  }

  async #run(): Promise<void> {
    const { clock, flush, flushed } = this.#options;
    this.#timer = undefined;
    this.#isRunning = true;
    const startedAt = clock.now();
    const [denied, distrusts] = [this.#denied, this.#distrusts];
    const addresses = [...new Set([...this.#stale.begin(), ...denied])];
    try {
      const named = await flush(addresses, this.#gatedRanges);
      this.#failures = 0;
      this.#notBefore = clock.now() + (clock.now() - startedAt) * pauseFactor;
      this.#stale.flushed(named);
      flushed({ addresses, denied });
      if (distrusts === this.#distrusts) this.#allow(denied);
    } catch (error) {
      const backoff = Math.max(firstBackoffMs * 2 ** this.#failures++, (clock.now() - startedAt) * pauseFactor);
      this.#notBefore = clock.now() + Math.min(backoff, lastBackoffMs);
      this.#stale.failed();
      flushed({ addresses, denied, error });
    }
    this.#isRunning = false;
    this.#schedule();
  }

  #allow(flushed: ReadonlySet<string>): void {
    if (flushed.size === 0) return;
    this.#unflushed = this.#unflushed.difference(flushed);
    this.#denied = this.#denied.difference(flushed);
    this.#tell();
  }
}
