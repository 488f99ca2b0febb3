import { objectAt, textAt } from './api/object.ts';
import type { ApiObject } from './api/object.ts';
import { apiVersionOf, resourceNames, resources } from './api/resources.ts';
import type { ResourceName } from './api/resources.ts';
import { ApiError } from './api/status.ts';
import type { Store } from './api/store.ts';
import { LabError } from './error.ts';

/** What the server writes, or what was true of another cluster. */
const serverFields = ['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink', 'managedFields'];

/**
 * Creates or replaces; namespaces first, and those that are only named are created. What the API server refuses is LabError `input`.
 * Returns what was left out because the lab does not serve its kind, as `Ingress shop/web`.
 */
export function applyObjects(store: Store, objects: readonly ApiObject[]): string[] {
  const entries = objects.map((object) => ({ resource: resourceOf(object), object: asManifest(store, object) }));
  for (const { resource, object } of entries) if (resource === 'namespaces') put(store, resource, object);
  for (const { resource, object } of entries) {
    if (!resource || resource === 'namespaces') continue;
    if (resources[resource].namespaced) createNamespace(store, (object.metadata.namespace ??= 'default'));
    put(store, resource, object);
  }
  return entries.filter(({ resource }) => !resource).map(({ object }) => describe(object));
}

function createNamespace(store: Store, name: string): void {
  if (store.find('namespaces', { name })) return;
  store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

function put(store: Store, resource: ResourceName, object: ApiObject): void {
  const { namespace, name } = object.metadata;
  const exists = name !== undefined && store.find(resource, { namespace, name }) !== undefined;
  try {
    if (exists) store.update(resource, object);
    else store.create(resource, object);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new LabError('input', `${describe(object)}: ${error.message}`, { cause: error });
  }
}

function resourceOf({ apiVersion, kind }: ApiObject): ResourceName | undefined {
  return resourceNames.find((name) => resources[name].kind === kind && apiVersionOf(resources[name]) === apiVersion);
}

function asManifest(store: Store, object: ApiObject): ApiObject {
  const { status: _, ...rest } = structuredClone(object);
  for (const field of serverFields) delete rest.metadata[field];
  // A pod of another cluster names a node that is not here.
  const spec = rest.kind === 'Pod' ? objectAt(rest, 'spec') : undefined;
  const node = textAt(spec, 'nodeName');
  if (spec && node && !store.find('nodes', { name: node })) delete spec['nodeName'];
  return rest;
}

function describe({ kind, metadata: { namespace, name } }: ApiObject): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}
