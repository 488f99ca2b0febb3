import type { ObjectKey } from '../api/object.ts';
import { resources } from '../api/resources.ts';
import type { ResourceName } from '../api/resources.ts';

/** Path of the collection, in all namespaces or in one. */
export function collectionPath(resource: ResourceName, namespace?: string): string {
  const { group, version, plural } = resources[resource];
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}

export function objectPath(resource: ResourceName, { namespace, name }: ObjectKey, subresource?: string): string {
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
