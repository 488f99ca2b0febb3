import type { ResourceName } from '../../src/model/cluster.ts';
import type { ApiReader, GetOptions } from '../../src/watch/api-client.ts';
import { ApiError } from '../../src/watch/api-error.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { keyOf, resourceOf, type ApiObject } from '../support/pipeline.ts';
import { gone } from '../watch/scripted-server.ts';
import type { WatchLine } from './order.ts';

type Chunks = AsyncIterable<Uint8Array>;

/** An API server that says what it is told to, and waits each time until its client has dealt with it. */
export class ScriptedApi implements ApiReader {
  readonly #objects = new Map<ResourceName, Map<string, ApiObject>>();
  readonly #streams = new Map<ResourceName, PromiseWithResolvers<Uint8Array>>();
  /** Resolved when the client wants the next chunk of a stream, and so is done with all before. */
  readonly #asked = new Map<ResourceName, PromiseWithResolvers<void>>();

  constructor() {
    for (const { resource } of watchedResources) {
      this.#objects.set(resource, new Map());
      this.#asked.set(resource, Promise.withResolvers());
    }
  }

  get objects(): ApiObject[] {
    return [...this.#objects.values()].flatMap((each) => [...each.values()]);
  }

  /** What is now in a list. */
  setList(resource: ResourceName, items: readonly ApiObject[]): void {
    this.#objects.set(resource, new Map(items.map((item) => [keyOf(item), item])));
  }

  /** It happens, and nobody is told. */
  change({ type, object }: WatchLine): void {
    const objects = this.#objects.get(resourceOf(object))!;
    if (type === 'DELETED') objects.delete(keyOf(object));
    else objects.set(keyOf(object), object);
  }

  async tell(line: WatchLine): Promise<void> {
    this.change(line);
    await this.#send(resourceOf(line.object), line);
  }

  /** Ends the stream because its version is no longer kept, so that the client lists again. */
  async expire(resource: ResourceName): Promise<void> {
    await this.#send(resource, { type: 'ERROR', object: gone });
  }

  async untilAsked(): Promise<void> {
    await Promise.all([...this.#asked.values()].map(({ promise }) => promise));
  }

  get(path: string, { query, signal }: GetOptions): Promise<Chunks> {
    const { resource } = watchedResources.find((each) => each.path === path)!;
    return Promise.resolve(query['watch'] === undefined ? this.#list(resource) : this.#stream(resource, signal));
  }

  async *#list(resource: ResourceName): Chunks & AsyncGenerator<Uint8Array> {
    // Items of a list name neither kind nor apiVersion.
    const items = [...this.#objects.get(resource)!.values()].map((object) =>
      Object.fromEntries(Object.entries(object).filter(([field]) => field !== 'kind' && field !== 'apiVersion')),
    );
    yield Buffer.from(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
  }

  async *#stream(resource: ResourceName, signal: AbortSignal): Chunks & AsyncGenerator<Uint8Array> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new ApiError('unreachable', 'the test is over')));
    });
    for (;;) {
      const next = Promise.withResolvers<Uint8Array>();
      this.#streams.set(resource, next);
      this.#asked.get(resource)!.resolve();
      yield await Promise.race([next.promise, aborted]);
    }
  }

  async #send(resource: ResourceName, line: object): Promise<void> {
    const asked = Promise.withResolvers<void>();
    this.#asked.set(resource, asked);
    this.#streams.get(resource)!.resolve(Buffer.from(`${JSON.stringify(line)}\n`));
    await asked.promise;
  }
}
