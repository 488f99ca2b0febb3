/** Writes that need not wait after a quiet time. */
const burst = 10;
/** Each write of a status goes to the watches of all agents, so that many nodes afford few writes. */
const watchEventsPerSecond = 500;
const [least, most] = [0.2, 5];

/** Writes of statuses a second. */
export function writesPerSecond(nodes: number): number {
  return Math.min(most, Math.max(least, watchEventsPerSecond / Math.max(1, nodes)));
}

/** Limits the rate of writes (S10.30): a bucket of tokens. Times are milliseconds. */
export class WriteBudget {
  #tokens = burst;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** Whether one more write may be made now. */
  take(now: number, nodes: number): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * writesPerSecond(nodes));
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
