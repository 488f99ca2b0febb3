import type { Clock } from './clock.ts';

/** Events since the last plan that are a burst. An agent with 500 events a second plans after each few. */
const burst = 20;
/** Milliseconds. After a plan that took this long, the events that arrived meanwhile may be a burst too. */
const longPlan = 50;
/** Milliseconds in which the burst must go on, or the wait ends. */
const period = 20;
/** Milliseconds that the first event of a burst waits at most. The agent decodes 1,000 policies of 200 blocks in about 600 (`bench/hostile`). */
const longestWait = 750;

/**
 * Gathers a burst of events into one change (S9.13). The agent does nothing else while it plans, and a plan of half a burst can take as long as one of
 * all.
 */
export class EventBurst {
  readonly #clock: Clock;
  #events = 0;
  /** Of these, the number that the last plan has. */
  #planned = 0;
  #planTook = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An event has arrived. */
  add(): void {
    this.#events++;
  }

  /** Makes a plan of all events so far. */
  plan<T>(make: () => T): T {
    const startedAt = this.#clock.now();
    this.#planned = this.#events;
    const made = make();
    this.#planTook = this.#clock.now() - startedAt;
    return made;
  }

  /** All is in force: an event that comes later did not wait for the last plan. */
  end(): void {
    this.#planTook = 0;
  }

  /**
   * After a burst, waits until fewer events than a burst arrive in a period: in a large cluster, events never stop. After a long plan, waits until no
   * event arrives in a period, at most as long as the plan took. Calls `progress` after each period.
   */
  async gather(progress: () => void): Promise<void> {
    const isBurst = this.#events - this.#planned >= burst;
    if (!isBurst && this.#planTook < longPlan) return;
    const end = this.#clock.now() + (isBurst ? longestWait : Math.min(this.#planTook, longestWait));
    const fewest = isBurst ? burst : 1;
    let seen: number;
    do {
      seen = this.#events;
      await new Promise<void>((resolve) => this.#clock.after(period, resolve));
      // A timer may be late, and then fires before the events that have arrived are received.
      await nextTurn();
      progress();
    } while (this.#events - seen >= fewest && this.#clock.now() < end);
  }
}

/** Resolves after the events that have arrived are received. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
