import { setTimeout } from 'node:timers/promises';
import { heapGrowth } from '../lib/heap-growth.ts';
import type { ObjectKey, ResourceEvent, ResourceName } from '../model/cluster.ts';
import { parseJson, type ApiReader } from './api-client.ts';
import { ApiError, statusError } from './api-error.ts';
import { backoffDelay, type BackoffLimits } from './backoff.ts';
import { countEmpty, emptyPauseMs, isEmptyBelieved, type EmptyAnswers } from './empty-list.ts';
import { readIdentity, type ObjectIdentity } from './decode.ts';
import { splitLines } from './json-lines.ts';
import { KnownObjects } from './known-objects.ts';
import { listAll } from './list.ts';
import type { WatchedResource } from './resources.ts';

/** What a watch tells besides its events. All calls are synchronous. */
export interface WatchObserver {
  /** The server answered: the last known state is as fresh as this moment. */
  contact(resource: ResourceName): void;
  listed(resource: ResourceName, kind: 'first' | 'again', objects: number): void;
  /**
   * A list came back empty after so many objects were known, by this watch or before it began: `held`, they stay in force, and it is asked for again; `believed`, they are
   * gone; `back`, it is not empty any more.
   */
  emptied(resource: ResourceName, what: 'held' | 'believed' | 'back', known: number): void;
  /** A stream ended or failed and is opened again. `error` is missing if the server closed it in good order. */
  interrupted(resource: ResourceName, error?: ApiError): void;
  /** Something in a list or stream that is no object of this resource; it is skipped. */
  skipped(resource: ResourceName, message: string): void;
}

export interface WatchTiming {
  readonly backoff: BackoffLimits;
  /** No byte for this long: the stream is dead. The server sends a bookmark about every minute. */
  readonly silenceMs: number;
  /** The server is asked to end a stream after between one and two times this. */
  readonly streamSeconds: number;
  readonly random: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const defaultTiming: WatchTiming = {
  backoff: { firstMs: 200, maxMs: 30_000 },
  silenceMs: 150_000,
  streamSeconds: 300,
  random: Math.random,
  now: () => performance.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
};

/**
 * Keeps one resource told: list, then watch from the list's version, again from the last version when the stream ends, and a new
 * list when that version is no longer kept. Every version of an object is told once, and nothing that the server still knows is
 * lost. An outage tells nothing, so the last known state stays (S7.12).
 */
export class ResourceWatch {
  readonly #resource: WatchedResource;
  readonly #client: ApiReader;
  readonly #emit: (event: ResourceEvent) => void;
  readonly #observer: WatchObserver;
  readonly #timing: WatchTiming;
  readonly #countBefore: () => Promise<number>;
  readonly #known = new KnownObjects();
  #synced = false;
  /** Where the next stream goes on; `undefined` asks for a list. */
  #version: string | undefined;
  /** Since a stream last brought something. */
  #failures = 0;
  #empty: EmptyAnswers | undefined;

  /** @param countBefore how many objects there were before this watch began, if that is known; asked when the first list is empty */
  constructor(
    resource: WatchedResource,
    client: ApiReader,
    emit: (event: ResourceEvent) => void,
    observer: WatchObserver,
    timing: WatchTiming = defaultTiming,
    countBefore: () => Promise<number> = async () => 0,
  ) {
    this.#resource = resource;
    this.#client = client;
    this.#emit = emit;
    this.#observer = observer;
    this.#timing = timing;
    this.#countBefore = countBefore;
  }

  /** Runs until the signal aborts. Rejects only for a bug. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isFresh = this.#version === undefined;
      let error: ApiError | undefined;
      try {
        this.#version ??= await heapGrowth.during(() => this.#list(signal));
        if (this.#version === undefined) {
          const { random, sleep } = this.#timing;
          await sleep(emptyPauseMs * (1 + random()), signal);
          continue;
        }
        await this.#watch(this.#version, signal);
      } catch (caught) {
        if (!(caught instanceof ApiError)) throw caught;
        error = caught;
        if (asksForList(error)) this.#version = undefined;
      }
      if (signal.aborted) return;
      this.#observer.interrupted(this.#resource.resource, error);
      // The server answers, and only what we know is too old: the list that mends it waits only so long that not all nodes ask at once.
      if (error?.code === 'expired' && !isFresh) this.#failures = 0;
      const { backoff, random, sleep } = this.#timing;
      await sleep(backoffDelay(this.#failures++, backoff, random), signal);
    }
  }

  /** The events of a list are emitted in one go, so that nobody sees half of it. `undefined`: it is to be asked for again. */
  async #list(signal: AbortSignal): Promise<string | undefined> {
    const { resource, path } = this.#resource;
    // `undefined`: listed, and told before.
    const listed = new Map<ObjectKey, ResourceEvent | undefined>();
    const options = { signal, silenceMs: this.#timing.silenceMs };
    const version = await listAll(this.#client, path, options, (items, restart) => {
      this.#observer.contact(resource);
      if (restart) listed.clear();
      for (const raw of items) {
        const object = this.#identify(raw);
        if (object) listed.set(object.key, this.#upsertOf(raw, object));
      }
    });
    const known = this.#synced || listed.size > 0 ? this.#known.size : await this.#countBefore();
    if (!this.#mayBelieve(listed.size, known)) return undefined;
    for (const key of this.#known.keys()) if (!listed.has(key)) this.#tell({ op: 'remove', resource, key });
    for (const [key, event] of listed) {
      // What has been told is let go of: of a large cluster, the events alone are many megabytes.
      listed.set(key, undefined);
      this.#tell(event);
    }
    this.#observer.listed(resource, this.#synced ? 'again' : 'first', listed.size);
    if (!this.#synced) this.#tell({ op: 'synced', resource });
    this.#synced = true;
    return version;
  }

  /** What was known stays in force until it is sure that nothing is there. */
  #mayBelieve(listed: number, known: number): boolean {
    const { resource } = this.#resource;
    if (listed > 0 || known === 0) {
      if (this.#empty) this.#observer.emptied(resource, 'back', known);
      this.#empty = undefined;
      return true;
    }
    const now = this.#timing.now();
    this.#empty = countEmpty(this.#empty, now);
    const isBelieved = isEmptyBelieved(this.#empty, now);
    this.#observer.emptied(resource, isBelieved ? 'believed' : 'held', known);
    if (isBelieved) this.#empty = undefined;
    return isBelieved;
  }

  /** Resolves when the server ends the stream. */
  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { backoff, now, random, silenceMs, streamSeconds } = this.#timing;
    const timeoutSeconds = String(Math.ceil(streamSeconds * (1 + random())));
    const query = { watch: '1', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds };
    const opened = now();
    const body = await this.#client.get(this.#resource.path, { query, signal, silenceMs });
    this.#observer.contact(this.#resource.resource);
    for await (const line of splitLines(body)) {
      this.#observer.contact(this.#resource.resource);
      this.#handleLine(parseJson(line));
      this.#failures = 0;
    }
    // A server without bookmarks may have had nothing to say.
    if (now() - opened > backoff.maxMs) this.#failures = 0;
  }

  #handleLine(line: unknown): void {
    const { type, object } = (typeof line === 'object' && line !== null ? line : {}) as {
      type?: unknown;
      object?: { metadata?: { resourceVersion?: unknown } };
    };
    if (type === 'ERROR') throw statusError(0, object);
    const version = object?.metadata?.resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') {
      const identified = this.#identify(object);
      if (identified) this.#tell(this.#upsertOf(object, identified));
    } else if (type === 'DELETED') {
      const identified = this.#identify(object);
      if (identified) this.#tell(this.#removeOf(identified));
    } else if (typeof type !== 'string') {
      throw new ApiError('malformed', 'a line of the stream is no event');
    } else if (type !== 'BOOKMARK') this.#observer.skipped(this.#resource.resource, `event type ${type}`);
    if (typeof version === 'string' && version !== '') this.#version = version;
  }

  #identify(raw: unknown): IdentifiedObject | undefined {
    const { resource, namespaced } = this.#resource;
    const identity = readIdentity(raw);
    if (identity === undefined || namespaced !== (identity.namespace !== '')) {
      this.#observer.skipped(resource, identity ? `namespace ${JSON.stringify(identity.namespace)}` : 'no name');
      return undefined;
    }
    // `join` makes one flat string, where a template would leave a tree of three, for as long as the object is there.
    return { key: namespaced ? [identity.namespace, identity.name].join('/') : identity.name, identity };
  }

  /** `undefined` if this version has been told. */
  #upsertOf(raw: unknown, { key, identity }: IdentifiedObject): ResourceEvent | undefined {
    if (this.#known.hasVersion(key, identity)) return undefined;
    const { uid, resourceVersion, generation } = identity;
    const { value, issues } = this.#resource.decode(raw, identity);
    const { resource } = this.#resource;
    return { op: 'upsert', resource, key, uid, resourceVersion, generation, value, issues };
  }

  #removeOf({ key, identity }: IdentifiedObject): ResourceEvent | undefined {
    if (!this.#known.has(key) || this.#known.isReplaced(key, identity.uid)) return undefined;
    return { op: 'remove', resource: this.#resource.resource, key };
  }

  #tell(event: ResourceEvent | undefined): void {
    if (event === undefined) return;
    this.#known.record(event);
    this.#emit(event);
  }
}

interface IdentifiedObject {
  readonly key: ObjectKey;
  readonly identity: ObjectIdentity;
}

/** What waiting may cure is tried again from the same version; after anything else only a list is sure to go on. */
function asksForList(error: ApiError): boolean {
  if (error.code === 'expired' || error.code === 'malformed') return true;
  if (error.code !== 'refused' || error.status === undefined) return false;
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status);
}
