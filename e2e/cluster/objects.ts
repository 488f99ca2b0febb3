import type { ApiObject } from '../../src/lab/api/object.ts';
import { resourceNames, resources } from '../../src/lab/api/resources.ts';
import type { ResourceName } from '../../src/lab/api/resources.ts';
import { isRefusal } from '../../src/lab/real/client.ts';
import type { RealClient } from '../../src/lab/real/client.ts';
import { collectionPath, objectPath } from '../../src/lab/real/paths.ts';

/** Writes objects to an API server by plain requests, as any client would. */
export class Objects {
  readonly #api: RealClient;

  constructor(api: RealClient) {
    this.#api = api;
  }

  /** `undefined` where there is none. */
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

  /** Creates it, or replaces what is there; of pods and namespaces, which may not be replaced, the labels. */
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
        // Somebody else has written meanwhile.
        if (!isRefusal(error, 409)) throw error;
      }
    }
  }

  /** A JSON merge patch. */
  async patch(kind: string, key: { namespace?: string; name: string }, body: object, part?: string): Promise<void> {
    const path = objectPath(resourceOf(kind), key, part);
    await this.#api.request({ method: 'PATCH', path, body, mediaType: 'application/merge-patch+json' });
  }

  /** At once, and without complaint where there is none. */
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

/** Kinds of one name in two groups: the first, which for Events is core. */
function resourceOf(kind: string): ResourceName {
  const found = resourceNames.find((name) => resources[name].kind === kind);
  if (found === undefined) throw new Error(`the suite knows no kind ${kind}`);
  return found;
}
