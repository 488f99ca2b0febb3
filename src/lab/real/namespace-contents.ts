import type { ObjectMeta } from '../api/object.ts';
import type { RealClient } from './client.ts';

/** The API path of one namespaced resource. */
export interface Collection {
  readonly resource: string;
  /** Path of the group and version: `/api/v1`. */
  readonly root: string;
}

export interface Content {
  readonly resource: string;
  readonly metadata: ObjectMeta;
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

interface GroupList {
  readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
}

/** Records about other objects, which expire by themselves. */
const records: ReadonlySet<string> = new Set(['events']);

/** Objects that controllers create in every namespace or derive from Services. */
const automatic: ReadonlySet<string> = new Set(['configmaps/kube-root-ca.crt', 'serviceaccounts/default']);
const derived: ReadonlySet<string> = new Set(['endpoints', 'endpointslices']);

/** Namespaced resources that can be deleted, of every API group in its preferred version. */
export async function discoverCollections(client: RealClient): Promise<readonly Collection[]> {
  const { groups } = (await client.request({ method: 'GET', path: '/apis' })) as GroupList;
  const roots = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const lists = await Promise.all(
    roots.map(async (path) => ({ root: path, list: (await client.request({ method: 'GET', path })) as ResourceList })),
  );
  return lists.flatMap(({ root, list }) =>
    list.resources
      .filter(
        ({ name, namespaced, verbs }) =>
          namespaced && verbs.includes('list') && verbs.includes('delete') && !records.has(name),
      )
      .map(({ name }) => ({ resource: name, root })),
  );
}

/** All objects in a namespace, of the lab or not. */
export async function listContents(
  client: RealClient,
  namespace: string,
  collections: readonly Collection[],
): Promise<readonly Content[]> {
  const lists = await Promise.all(
    collections.map(async ({ root, resource }) => {
      const items = await client.list<{ metadata: ObjectMeta }>(`${root}/namespaces/${namespace}/${resource}`);
      return items.map(({ metadata }) => ({ resource, metadata }));
    }),
  );
  return lists.flat();
}

/** Whether a client created the object itself. Objects of controllers and objects with an owner do not count. */
export function isForeign({ resource, metadata }: Content): boolean {
  if (derived.has(resource) || automatic.has(`${resource}/${metadata.name}`)) return false;
  return (metadata.ownerReferences ?? []).length === 0;
}
