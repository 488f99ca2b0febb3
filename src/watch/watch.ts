import { setTimeout } from 'node:timers/promises';
import { heapGrowth } from '../lib/heap-growth.ts';
import type { ObjectKey, ResourceEvent, ResourceName } from '../model/cluster.ts';
import { parseJson, type ApiReader } from './api-client.ts';
import { ApiError, statusError } from './api-error.ts';
import { backoffDelay, type BackoffLimits } from './backoff.ts';
import { countEmpty, emptyPauseMs, isEmptyAccepted, type EmptyLists } from './empty-list.ts';
import { readIdentity, type ObjectIdentity } from './decode.ts';
import { splitFrames } from './frames.ts';
import { splitLines } from './json-lines.ts';
import { KnownObjects } from './known-objects.ts';
import { listAll } from './list.ts';
import { decodeEvent, refusesProtobuf } from './protobuf.ts';
import type { WatchedResource } from './resources.ts';
import { getResponse } from './response.ts';

/** Notifications of a watch besides its events. All calls are synchronous. */
export interface WatchObserver {
  /** The API server sent data. */
  contact(resource: ResourceName): void;
  listed(resource: ResourceName, kind: 'first' | 'again', objects: number): void;
  /**
   * A list was empty although `known` objects existed, known to this watch or from before it started. `held`: the objects stay in force and the watch
   * lists again. `accepted`: the objects are gone. `recovered`: the list is no longer empty.
   */
  emptied(resource: ResourceName, what: 'held' | 'accepted' | 'recovered', known: number): void;
  /** A stream ended or failed, and the watch opens it again. `error` is missing if the API server closed it normally. */
  interrupted(resource: ResourceName, error?: ApiError): void;
  /** The watch skipped an item that is not an object of this resource. */
  skipped(resource: ResourceName, message: string): void;
}

export interface WatchTiming {
  readonly backoff: BackoffLimits;
  /** The watch closes a stream that brings no byte for so long. The API server sends a bookmark about every minute. */
  readonly silenceMs: number;
  /** The watch asks the API server to end a stream after a random time between one and two times this. */
  readonly streamSeconds: number;
  readonly random: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The longest pause and the length of streams are those of client-go (tools/cache/reflector.go). */
export const defaultTiming: WatchTiming = {
  backoff: { firstMs: 200, maxMs: 30_000 },
  silenceMs: 150_000,
  streamSeconds: 300,
  random: Math.random,
  now: () => performance.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
};

/**
 * Lists and watches one resource. It lists, watches from the list's resourceVersion, and watches again from the last version when the stream ends. It
 * lists again when the API server no longer has that version. It emits each version of an object once and loses no object that the server has. An
 * outage emits nothing, so the last known state stays in force (S7.12).
 */
export class ResourceWatch {
  readonly #resource: WatchedResource;
  readonly #client: ApiReader;
  readonly #emit: (event: ResourceEvent) => void;
  readonly #observer: WatchObserver;
  readonly #timing: WatchTiming;
  readonly #countBefore: () => Promise<number>;
  readonly #known = new KnownObjects();
  #acceptsProtobuf: boolean;
  #synced = false;
  /** The resourceVersion from which the next stream starts; `undefined` if a list must come first. */
  #version: string | undefined;
  /** Failures since a stream last brought an event. */
  #failures = 0;
  /** Internal errors of the API server in a row since a stream last brought an event. */
  #inARow = 0;
  #empty: EmptyLists | undefined;

  /** @param countBefore resolves with the number of objects known before this watch started; called only if the first list is empty */
  constructor(
    resource: WatchedResource,
    client: ApiReader,
    emit: (event: ResourceEvent) => void,
    observer: WatchObserver,
    timing: WatchTiming = defaultTiming,
    countBefore: () => Promise<number> = async () => 0,
  ) {
    this.#resource = resource;
    this.#acceptsProtobuf = resource.protobuf === true;
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
        error = this.#acceptsProtobuf && refusesProtobuf(caught) ? this.#fallBackToJson(caught) : caught;
        this.#inARow = isOfServer(error) ? this.#inARow + 1 : 0;
        if (asksForList(error) || this.#inARow >= mostInARow) [this.#version, this.#inARow] = [undefined, 0];
      }
      if (signal.aborted) return;
      this.#observer.interrupted(this.#resource.resource, error);
      // The API server works, and only our version is too old. So the next list waits for the first delay only, which spreads the nodes.
      if (error?.code === 'expired' && !isFresh) this.#failures = 0;
      const { backoff, random, sleep } = this.#timing;
      await sleep(backoffDelay(this.#failures++, backoff, random), signal);
    }
  }

  /** Protobuf only saves time, so this watch never asks for it again. Returns the error for the log. */
  #fallBackToJson(error: ApiError): ApiError {
    this.#acceptsProtobuf = false;
    const { status } = error;
    const message = `${error.message}; the watch reads JSON from now on`;
    return new ApiError(error.code, message, { cause: error, ...(status !== undefined && { status }) });
  }

  /** Emits all events of a list synchronously, so that no consumer sees half of it. Resolves with `undefined` if the watch must list again. */
  async #list(signal: AbortSignal): Promise<string | undefined> {
    const { resource, path } = this.#resource;
    // `undefined`: the watch has emitted this version before.
    const listed = new Map<ObjectKey, ResourceEvent | undefined>();
    const options = { signal, silenceMs: this.#timing.silenceMs, protobuf: this.#acceptsProtobuf };
    const version = await listAll(this.#client, path, options, (items, restart) => {
      this.#observer.contact(resource);
      if (restart) listed.clear();
      for (const raw of items) {
        const object = this.#identify(raw);
        if (object) listed.set(object.key, this.#upsertOf(raw, object));
      }
    });
    const known = this.#synced || listed.size > 0 ? this.#known.size : await this.#countBefore();
    if (!this.#acceptsList(listed.size, known)) return undefined;
    for (const key of this.#known.keys()) if (!listed.has(key)) this.#emitOnce({ op: 'remove', resource, key });
    for (const [key, event] of listed) {
      // Frees each event as soon as it is emitted: in a large cluster the events take many megabytes.
      listed.set(key, undefined);
      this.#emitOnce(event);
    }
    this.#observer.listed(resource, this.#synced ? 'again' : 'first', listed.size);
    if (!this.#synced) this.#emitOnce({ op: 'synced', resource });
    this.#synced = true;
    return version;
  }

  /** Rejects an empty list until several of them confirm that the objects are gone. */
  #acceptsList(listed: number, known: number): boolean {
    const { resource } = this.#resource;
    if (listed > 0 || known === 0) {
      if (this.#empty) this.#observer.emptied(resource, 'recovered', known);
      this.#empty = undefined;
      return true;
    }
    const now = this.#timing.now();
    this.#empty = countEmpty(this.#empty, now);
    const isAccepted = isEmptyAccepted(this.#empty, now);
    this.#observer.emptied(resource, isAccepted ? 'accepted' : 'held', known);
    if (isAccepted) this.#empty = undefined;
    return isAccepted;
  }

  /** Resolves when the API server ends the stream. */
  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { backoff, now, random, silenceMs, streamSeconds } = this.#timing;
    const timeoutSeconds = String(Math.ceil(streamSeconds * (1 + random())));
    const query = { watch: '1', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds };
    const opened = now();
    const options = { query, signal, silenceMs };
    const { body, isProtobuf } = await getResponse(this.#client, this.#resource.path, options, this.#acceptsProtobuf);
    this.#observer.contact(this.#resource.resource);
    for await (const part of isProtobuf ? splitFrames(body) : splitLines(body)) {
      this.#observer.contact(this.#resource.resource);
      this.#handleEvent(typeof part === 'string' ? parseJson(part) : decodeEvent(part));
      this.#failures = this.#inARow = 0;
    }
    // An API server without bookmarks sends nothing if nothing changes.
    if (now() - opened > backoff.maxMs) this.#failures = 0;
  }

  #handleEvent(event: unknown): void {
    const { type, object } = (typeof event === 'object' && event !== null ? event : {}) as {
      type?: unknown;
      object?: { metadata?: { resourceVersion?: unknown } };
    };
    if (type === 'ERROR') throw statusError(0, object);
    const version = object?.metadata?.resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') {
      const identified = this.#identify(object);
      if (identified) this.#emitOnce(this.#upsertOf(object, identified));
    } else if (type === 'DELETED') {
      const identified = this.#identify(object);
      if (identified) this.#emitOnce(this.#removeOf(identified));
    } else if (typeof type !== 'string') {
      throw new ApiError('malformed', 'a part of the stream is not an event');
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
    // `join` creates one flat string. V8 would keep a template string as a tree of three strings for as long as the object exists.
    return { key: namespaced ? [identity.namespace, identity.name].join('/') : identity.name, identity };
  }

  /** `undefined` if the watch has emitted this version. */
  #upsertOf(raw: unknown, { key, identity }: IdentifiedObject): ResourceEvent | undefined {
    if (this.#known.hasVersion(key, identity)) return undefined;
    const { uid, resourceVersion, generation } = identity;
    const { resource } = this.#resource;
    return { op: 'upsert', resource, key, uid, resourceVersion, generation, ...this.#resource.decode(raw, identity) };
  }

  #removeOf({ key, identity }: IdentifiedObject): ResourceEvent | undefined {
    if (!this.#known.has(key) || this.#known.isReplaced(key, identity.uid)) return undefined;
    return { op: 'remove', resource: this.#resource.resource, key };
  }

  #emitOnce(event: ResourceEvent | undefined): void {
    if (event === undefined) return;
    this.#known.record(event);
    this.#emit(event);
  }
}

interface IdentifiedObject {
  readonly key: ObjectKey;
  readonly identity: ObjectIdentity;
}

/**
 * After so many internal errors in a row the watch lists again. The API server may be unable to serve what follows this version, for example an object that it
 * cannot decode. client-go lists again after the first (tools/cache/reflector.go), and so do all nodes at once.
 */
const mostInARow = 5;

/** Whether the API server itself failed. An ERROR event can lack a code. Other statuses from 500 on are those of a proxy, or of an overload. */
function isOfServer({ code, status }: ApiError): boolean {
  return code === 'refused' && (status === 500 || status === 0);
}

/** After an error that may be temporary, the watch continues from the same version. After any other error it lists again. */
function asksForList(error: ApiError): boolean {
  if (error.code === 'expired' || error.code === 'malformed') return true;
  if (error.code !== 'refused' || error.status === undefined) return false;
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status);
}
