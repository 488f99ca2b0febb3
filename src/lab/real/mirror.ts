import { compareText } from '../../lib/sort.ts';
import type { ResourceEvent } from '../../model/cluster.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import type { WatchedResource } from '../../watch/resources.ts';
import { defaultTiming, ResourceWatch } from '../../watch/watch.ts';
import type { WatchObserver } from '../../watch/watch.ts';
import type { ApiObject } from '../api/object.ts';
import { apiVersionOf, resources } from '../api/resources.ts';
import type { ClusterEvent, FollowedResource } from '../cluster-api.ts';
import { followedResources } from '../cluster-api.ts';
import { collectionPath } from './paths.ts';

/** The last known state of the followed objects of a real server. */
export class Mirror {
  readonly #objects = new Map<FollowedResource, Map<string, ApiObject>>();
  #listener: (event: ClusterEvent) => void = () => {};
  readonly #log: (message: string) => void;
  readonly #ending = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  constructor(log: (message: string) => void) {
    this.#log = log;
    for (const resource of followedResources) this.#objects.set(resource, new Map());
  }

  known(resource: FollowedResource, namespace?: string): readonly ApiObject[] {
    return [...this.#objects.get(resource)!]
      .filter(([, { metadata }]) => namespace === undefined || metadata.namespace === namespace)
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([, object]) => object);
  }

  /** By name, or `namespace/name`. */
  find(resource: FollowedResource, key: string): ApiObject | undefined {
    return this.#objects.get(resource)!.get(key);
  }

  /** Resolves when all resources have been listed. */
  async follow(reader: ApiClient, listener: (event: ClusterEvent) => void): Promise<void> {
    this.#listener = listener;
    const listed: Promise<void>[] = [];
    const runs = followedResources.map((resource) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      listed.push(promise);
      const tell = (event: ResourceEvent): void => (event.op === 'synced' ? resolve() : this.#take(resource, event));
      const observer: WatchObserver = {
        contact: () => {},
        listed: () => {},
        emptied: () => {},
        interrupted: (_, error) => error && this.#log(`watching ${resource}: ${error.message}`),
        skipped: (_, message) => this.#log(`watching ${resource}: ${message}`),
      };
      return new ResourceWatch(watched(resource), reader, tell, observer, defaultTiming).run(this.#ending.signal);
    });
    this.#ended = Promise.all(runs);
    await Promise.race([Promise.all(listed), this.#ended]);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  #take(resource: FollowedResource, event: Exclude<ResourceEvent, { op: 'synced' }>): void {
    const objects = this.#objects.get(resource)!;
    const previous = objects.get(event.key);
    if (event.op === 'remove') {
      objects.delete(event.key);
      if (previous) this.#listener({ type: 'DELETED', resource, object: previous, previous });
      return;
    }
    const object = event.value as unknown as ApiObject;
    objects.set(event.key, object);
    this.#listener(previous ? { type: 'MODIFIED', resource, object, previous } : { type: 'ADDED', resource, object });
  }
}

/** Uses a decoder that keeps the whole object; the agent's decoder keeps few fields. */
function watched(resource: FollowedResource): WatchedResource {
  const { kind, namespaced } = resources[resource];
  const type = { apiVersion: apiVersionOf(resources[resource]), kind };
  return {
    resource: resource as WatchedResource['resource'],
    kind,
    path: collectionPath(resource),
    namespaced,
    decode: (raw) => ({ value: { ...type, ...(raw as object) } as never, issues: [] }),
  };
}
