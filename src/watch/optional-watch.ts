import type { ObjectKey, ResourceEvent } from '../model/cluster.ts';
import type { ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { backoffDelay } from './backoff.ts';
import { countEmpty, emptyPauseMs, isEmptyAccepted, type EmptyLists } from './empty-list.ts';
import type { OptionalResource } from './resources.ts';
import { findServedPath } from './served-path.ts';
import { defaultTiming, ResourceWatch, type WatchObserver, type WatchTiming } from './watch.ts';

/** How long to wait before the next question whether the API server serves the resource: one to two times this. */
const absentPauseMs = 30_000;

/**
 * Watches a resource that the API server may not serve, or in another version later (S10.24). While it is not served, there are no objects, which counts as
 * a complete list. Emits the same events as a `ResourceWatch`.
 */
export class OptionalWatch {
  readonly #resource: OptionalResource;
  readonly #client: ApiReader;
  readonly #emit: (event: ResourceEvent) => void;
  readonly #observer: WatchObserver;
  readonly #served: (path: string | undefined) => void;
  readonly #timing: WatchTiming;
  readonly #countBefore: () => Promise<number>;
  /** The objects that the consumer knows. */
  readonly #keys = new Set<ObjectKey>();
  #isSynced = false;
  #path: string | undefined;
  #isAsked = false;
  #failures = 0;
  #absent: EmptyLists | undefined;

  /** @param served receives the path of the collection, or `undefined` if it is not served, when that has changed */
  constructor(
    resource: OptionalResource,
    client: ApiReader,
    emit: (event: ResourceEvent) => void,
    observer: WatchObserver,
    served: (path: string | undefined) => void,
    timing: WatchTiming = defaultTiming,
    countBefore: () => Promise<number> = async () => 0,
  ) {
    this.#resource = resource;
    this.#client = client;
    this.#emit = emit;
    this.#observer = observer;
    this.#served = served;
    this.#timing = timing;
    this.#countBefore = countBefore;
  }

  /** Runs until the signal aborts. Rejects only for a bug. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, sleep, silenceMs, backoff } = this.#timing;
    const { group, resource } = this.#resource;
    while (!signal.aborted) {
      try {
        const path = await findServedPath(this.#client, group, resource, { signal, silenceMs });
        if (path === undefined) this.#failures = 0;
        this.#observer.contact(resource);
        if (path === undefined && (await this.#mustAskAgain())) {
          await sleep(emptyPauseMs * (1 + random()), signal);
          continue;
        }
        this.#tell(path);
        if (path === undefined) {
          this.#leaveAll();
          await sleep(absentPauseMs * (1 + random()), signal);
        } else {
          this.#absent = undefined;
          // API servers may disagree for a while: one says that it serves what another does not have.
          if (await this.#watch(path, signal)) this.#failures = 0;
          if (!signal.aborted) await sleep(backoffDelay(this.#failures++, backoff, random), signal);
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (signal.aborted) return;
        this.#observer.interrupted(resource, error);
        await sleep(backoffDelay(this.#failures++, backoff, random), signal);
      }
    }
  }

  /** A broken API server may forget a resource for a moment, so objects stay in force until it has said so for a while (S7.18). */
  async #mustAskAgain(): Promise<boolean> {
    const known = this.#isSynced ? this.#keys.size : await this.#countBefore();
    if (known === 0) return false;
    const now = this.#timing.now();
    this.#absent = countEmpty(this.#absent, now);
    const isGone = isEmptyAccepted(this.#absent, now);
    this.#observer.emptied(this.#resource.resource, isGone ? 'accepted' : 'held', known);
    if (isGone) this.#absent = undefined;
    return !isGone;
  }

  #tell(path: string | undefined): void {
    if (this.#isAsked && this.#path === path) return;
    [this.#isAsked, this.#path] = [true, path];
    this.#served(path);
  }

  #leaveAll(): void {
    const { resource } = this.#resource;
    for (const key of [...this.#keys]) this.#pass({ op: 'remove', resource, key });
    this.#synced();
  }

  /** Resolves when the API server does not have the collection any more, with whether it was listed before that. */
  async #watch(path: string, signal: AbortSignal): Promise<boolean> {
    const ended = new AbortController();
    const listed = new Set<ObjectKey>();
    let isListed = false;
    const { resource } = this.#resource;
    const receive = (event: ResourceEvent): void => {
      if (event.op !== 'synced') {
        if (event.op === 'upsert' && !isListed) listed.add(event.key);
        return this.#pass(event);
      }
      isListed = true;
      // What an earlier version of the collection had, and this one does not.
      for (const key of [...this.#keys]) if (!listed.has(key)) this.#pass({ op: 'remove', resource, key });
      listed.clear();
      this.#synced();
    };
    const observer: WatchObserver = {
      ...this.#observer,
      interrupted: (name, error) => {
        this.#observer.interrupted(name, error);
        if (error?.code === 'refused' && error.status === 404) ended.abort();
      },
    };
    const countBefore = async (): Promise<number> => (this.#isSynced ? this.#keys.size : this.#countBefore());
    const watch = new ResourceWatch(
      { ...this.#resource, path },
      this.#client,
      receive,
      observer,
      this.#timing,
      countBefore,
    );
    await watch.run(AbortSignal.any([signal, ended.signal]));
    return isListed;
  }

  #pass(event: ResourceEvent & { readonly key: ObjectKey }): void {
    if (event.op === 'upsert') this.#keys.add(event.key);
    else this.#keys.delete(event.key);
    this.#emit(event);
  }

  #synced(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#emit({ op: 'synced', resource: this.#resource.resource });
  }
}
