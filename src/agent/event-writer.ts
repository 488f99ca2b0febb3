import type { ApiClient } from '../watch/api-client.ts';
import { ApiError } from '../watch/api-error.ts';
import { backoffDelay } from '../watch/backoff.ts';
import type { ObjectEvent } from './object-event.ts';

export interface EventWriterObserver {
  /** `known`: another node, or this agent before a restart, has written it. `dropped`: it will not be written. */
  finished(result: 'written' | 'known' | 'dropped', event: ObjectEvent, error?: ApiError): void;
  /** The queue has no room for the Event now. `isFirst`: since the queue was last empty. */
  crowdedOut(event: ObjectEvent, isFirst: boolean): void;
  /** All Events are written that the queue had room for. */
  emptied(): void;
  /** Called for the first of a series of failures. The writer tries again. */
  delayed(event: ObjectEvent, error: ApiError): void;
}

interface Options {
  readonly client: Pick<ApiClient, 'write'>;
  readonly observer: EventWriterObserver;
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Every node may have the same Event to write at the same moment. So each waits for a random part of this time, in milliseconds. */
  readonly spreadMs: () => number;
  /** Resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** At ten Events a second, these take 100 s. */
const longestQueue = 1000;
/** The pause between two Events, so that thousands of invalid objects do not flood the API server. */
const pauseMs = 100;
const silenceMs = 30_000;
const backoff = { firstMs: 1000, maxMs: 60_000 };

/** Writes Events one after the other, at most ten a second, and retries. So an outage of the API server only delays them. */
export class EventWriter {
  readonly #options: Options;
  readonly #queue = new Map<string, ObjectEvent>();
  #running: Promise<void> | undefined;
  #isCrowded = false;

  constructor(options: Options) {
    this.#options = options;
  }

  add(event: ObjectEvent): void {
    const key = `${event.path}/${event.name}`;
    if (this.#queue.has(key)) {
      // The queued Event keeps its place and gets the newest content.
      if (event.newest) this.#queue.set(key, event);
      return;
    }
    if (this.#queue.size >= longestQueue) {
      const crowded = this.#findCrowdedOut(event);
      if (crowded) this.#queue.delete(`${crowded.path}/${crowded.name}`);
      this.#options.observer.crowdedOut(crowded ?? event, !this.#isCrowded);
      this.#isCrowded = true;
      if (!crowded) return;
    }
    this.#queue.set(key, event);
    this.#running ??= this.#run();
  }

  /**
   * Finds the Event that makes room for a new one: the newest of the namespace with the most queued Events. `undefined` if the namespace of the new
   * Event would then have as many. The Event that is being written is the first of its namespace, so it is never chosen.
   */
  #findCrowdedOut({ path }: ObjectEvent): ObjectEvent | undefined {
    const counts = new Map<string, number>();
    for (const each of this.#queue.values()) counts.set(each.path, (counts.get(each.path) ?? 0) + 1);
    const [largest, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    if ((counts.get(path) ?? 0) + 1 >= most) return undefined;
    return [...this.#queue.values()].findLast((each) => each.path === largest);
  }

  /** Resolves when all Events are written or the signal has aborted. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { observer, signal, random, spreadMs, sleep } = this.#options;
    await sleep(random() * spreadMs(), signal);
    for (let failures = 0; !signal.aborted;) {
      // There is no await between this check and the end of the run: an Event that arrives later must start a new run.
      const [next] = this.#queue;
      if (!next) break;
      const [key, event] = next;
      const error = await this.#write(event);
      const latest = this.#queue.get(key)!;
      this.#queue.delete(key);
      // A failed Event goes to the end of the queue: one namespace that rejects Events must not block the others.
      if (error || latest !== event) this.#queue.set(key, latest);
      if (error && failures === 0) observer.delayed(event, error);
      failures = error ? failures + 1 : 0;
      await sleep(error ? backoffDelay(failures - 1, backoff, random) : pauseMs, signal);
    }
    this.#running = undefined;
    this.#isCrowded = false;
    observer.emptied();
  }

  /** Resolves with the error if a retry may succeed. */
  async #write(event: ObjectEvent): Promise<ApiError | undefined> {
    const { observer } = this.#options;
    try {
      await this.#createOrRenew(event);
      observer.finished('written', event);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mayPass(error)) return error;
      observer.finished(error.status === 409 ? 'known' : 'dropped', event, error);
    }
    return undefined;
  }

  async #createOrRenew({ path, name, body, newest }: ObjectEvent): Promise<void> {
    const { client, signal } = this.#options;
    try {
      await client.write('create', path, body, { signal, silenceMs });
    } catch (error) {
      if (!newest || !(error instanceof ApiError) || error.status !== 409) throw error;
      await client.write('patch', `${path}/${name}`, newest, { signal, silenceMs });
    }
  }
}

/** Whether a retry may succeed: not if the API server refused this Event itself. */
function mayPass({ code, status }: ApiError): boolean {
  return code !== 'refused' || status === undefined || status >= 500 || [401, 408, 429].includes(status);
}
