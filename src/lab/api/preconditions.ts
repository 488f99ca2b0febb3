import type { ApiObject } from './object.ts';
import type { Resource } from './resources.ts';
import { conflict } from './status.ts';

/** Expected uid and version of the stored object; an absent or empty field is not checked. */
export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

const stale = 'the object has been modified; please apply your changes to the latest version and try again';

/** Throws 409 if the stored object does not match. */
export function checkPreconditions(
  resource: Resource,
  stored: ApiObject,
  { uid, resourceVersion }: Preconditions,
): void {
  const { metadata } = stored;
  if (uid && uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
    throw conflict(resource, metadata.name!, why);
  }
  if (resourceVersion && resourceVersion !== metadata.resourceVersion) throw conflict(resource, metadata.name!, stale);
}
