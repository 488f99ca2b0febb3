import type { ApiClient } from '../watch/api-client.ts';
import { ApiError } from '../watch/api-error.ts';
import { backoffDelay } from '../watch/backoff.ts';
import type { ObjectEvent } from './object-event.ts';

export interface EventWriterObserver {
  /** `known`: another node, or we before a restart, had written it. `dropped`: it never will be. */
  finished(result: 'written' | 'known' | 'dropped', event: ObjectEvent, error?: ApiError): void;
}

interface Options {
  readonly client: Pick<ApiClient, 'write'>;
  readonly observer: EventWriterObserver;
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const longestQueue = 1000;
/** Thousands of bad objects must not make every node a flood. */
const pauseMs = 100;
const silenceMs = 30_000;
const backoff = { firstMs: 1000, maxMs: 60_000 };

/** Writes Events one after the other, at most ten a second, until each is there: an outage of the API server only delays them. */
export class EventWriter {
  readonly #options: Options;
  readonly #queue = new Map<string, ObjectEvent>();
  #running: Promise<void> | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  add(event: ObjectEvent): void {
    const key = `${event.path}/${event.name}`;
    if (this.#queue.has(key)) return;
    if (this.#queue.size >= longestQueue) return this.#options.observer.finished('dropped', event);
    this.#queue.set(key, event);
    this.#running ??= this.#run();
  }

  /** Settles when all are written, or the signal has aborted. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal, random, sleep } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      // In the very turn that saw nothing left: an Event that comes later must start a new run.
      const [next] = this.#queue;
      if (!next) break;
      const isDone = await this.#write(next[1]);
      if (isDone) this.#queue.delete(next[0]);
      failures = isDone ? 0 : failures + 1;
      await sleep(isDone ? pauseMs : backoffDelay(failures - 1, backoff, random), signal);
    }
    this.#running = undefined;
  }

  async #write(event: ObjectEvent): Promise<boolean> {
    const { client, observer, signal } = this.#options;
    try {
      await client.write('create', event.path, event.body, { signal, silenceMs });
      observer.finished('written', event);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mayPass(error)) return false;
      observer.finished(error.status === 409 ? 'known' : 'dropped', event, error);
      return true;
    }
  }
}

/** Waiting may help: anything but an answer that says no to this very Event. */
function mayPass({ code, status }: ApiError): boolean {
  return code !== 'refused' || status === undefined || status >= 500 || [401, 408, 429].includes(status);
}
