import { randomInt } from 'node:crypto';
import type { ApiObject, ObjectMeta } from './object.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status.ts';

const serverOwned = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const satisfies readonly (keyof ObjectMeta)[];

interface Sources {
  readonly now: () => Date;
  readonly uid: () => string;
}

/** Sets the metadata of a new object. Validation of names comes later. */
export function initialiseMetadata(resource: Resource, object: ApiObject, sources: Sources): void {
  const { metadata } = object;
  if (metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  for (const field of serverOwned) delete metadata[field];
  dropIgnored(metadata);
  if (resource.namespaced) metadata.namespace ||= 'default';
  else delete metadata.namespace;
  if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + randomSuffix();
  metadata.uid = sources.uid();
  metadata.creationTimestamp = formatTime(sources.now());
  if (resource.generation) metadata.generation = 1;
}

/** Copies immutable metadata from the stored object. */
export function adoptStoredMetadata(object: ApiObject, stored: ApiObject): void {
  const { metadata } = object;
  dropIgnored(metadata);
  for (const field of [...serverOwned, 'namespace', 'generateName'] as const) {
    const value = stored.metadata[field];
    if (value === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: value });
  }
}

/** metav1.Time: RFC 3339 in whole seconds. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function dropIgnored(metadata: ObjectMeta): void {
  delete metadata.selfLink;
  // Field ownership is for server-side apply, which is not supported.
  delete metadata.managedFields;
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    const value = metadata[field];
    if (value === null || (value && Object.keys(value).length === 0)) delete metadata[field];
  }
}

function randomSuffix(): string {
  // k8s.io/apimachinery/pkg/util/rand: no vowels, no digits that look like letters.
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('');
}
