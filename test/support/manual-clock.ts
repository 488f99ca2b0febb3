import type { Clock } from '../../src/agent/clock.ts';

/** Time that passes only when told to. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** The greatest jitter, so that delays are what their names say. */
  random(): number {
    return 1;
  }

  /** Calls back whatever falls due on the way, in order. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
  }

  get pending(): number {
    return this.#timers.size;
  }
}
