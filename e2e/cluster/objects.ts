import type { ApiObject } from '../../src/lab/api/object.ts';
import { resourceNames, resources } from '../../src/lab/api/resources.ts';
import type { ResourceName } from '../../src/lab/api/resources.ts';
import { isRefusal } from '../../src/lab/real/client.ts';
import type { RealClient } from '../../src/lab/real/client.ts';
import { collectionPath, objectPath } from '../../src/lab/real/paths.ts';

/** Reads and writes objects of an API server. */
export class Objects {
  readonly #api: RealClient;

  constructor(api: RealClient) {
    this.#api = api;
  }

  /** Resolves to `undefined` if the object does not exist. */
  async find(kind: string, key: { namespace?: string; name: string }): Promise<ApiObject | undefined> {
    try {
      return (await this.#api.request({ method: 'GET', path: objectPath(resourceOf(kind), key) })) as ApiObject;
    } catch (error) {
      if (isRefusal(error, 404)) return undefined;
      throw error;
    }
  }

  list(kind: string, namespace?: string): Promise<ApiObject[]> {
    return this.#api.list<ApiObject>(collectionPath(resourceOf(kind), namespace));
  }

  /** Creates or replaces an object. For existing pods and namespaces, replaces only the labels. */
  async apply(object: ApiObject): Promise<void> {
    const { kind } = object;
    const key = keyOf(object);
    for (;;) {
      const current = await this.find(kind, key);
      try {
        if (current === undefined) {
          const path = collectionPath(resourceOf(kind), key.namespace);
          await this.#api.request({ method: 'POST', path, body: object });
        } else {
          const { labels } = object.metadata;
          const isWhole = kind !== 'Pod' && kind !== 'Namespace';
          const base = isWhole ? object : current;
          const { resourceVersion } = current.metadata;
          const metadata = { ...base.metadata, ...(labels && { labels }), resourceVersion };
          await this.#api.request({
            method: 'PUT',
            path: objectPath(resourceOf(kind), key),
            body: { ...base, metadata },
          });
        }
        return;
      } catch (error) {
        // Another client has changed the object meanwhile.
        if (!isRefusal(error, 409)) throw error;
      }
    }
  }

  /** A JSON merge patch. */
  async patch(kind: string, key: { namespace?: string; name: string }, body: object, part?: string): Promise<void> {
    const path = objectPath(resourceOf(kind), key, part);
    await this.#api.request({ method: 'PATCH', path, body, mediaType: 'application/merge-patch+json' });
  }

  /** Deletes without grace period. Ignores a missing object. */
  async remove(kind: string, key: { namespace?: string; name: string }): Promise<void> {
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 };
    try {
      await this.#api.request({ method: 'DELETE', path: objectPath(resourceOf(kind), key), body });
    } catch (error) {
      if (!isRefusal(error, 404)) throw error;
    }
  }
}

export function keyOf({ metadata: { namespace, name } }: ApiObject): { namespace?: string; name: string } {
  return { ...(namespace !== undefined && { namespace }), name: name! };
}

/** If two groups have the kind, returns the first; for Events that is core. */
function resourceOf(kind: string): ResourceName {
  const found = resourceNames.find((name) => resources[name].kind === kind);
  if (found === undefined) throw new Error(`the suite knows no kind ${kind}`);
  return found;
}
