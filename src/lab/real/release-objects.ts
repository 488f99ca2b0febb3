import { setTimeout as delay } from 'node:timers/promises';
import { objectAt } from '../api/object.ts';
import type { ApiObject } from '../api/object.ts';
import { resourceNames } from '../api/resources.ts';
import type { ResourceName } from '../api/resources.ts';
import { LabError } from '../error.ts';
import { messageOf } from '../../lib/message-of.ts';
import { isRefusal } from './client.ts';
import type { RealClient } from './client.ts';
import { discoverCollections, isForeign, listContents } from './namespace-contents.ts';
import type { Collection } from './namespace-contents.ts';
import { collectionPath, objectPath } from './paths.ts';

/** All objects that a lab created have this label with the lab's name. */
export const labLabel = 'lab.postern.dev/name';

/** Timeout of the deletion of a namespace. */
const deadlineMs = 20_000;

/**
 * Deletes all objects with the label of this lab. Keeps and reports a namespace of the lab that contains other objects.
 * Rejects with LabError `state` if the server refuses.
 */
export async function releaseObjects(client: RealClient, lab: string, log: (message: string) => void): Promise<void> {
  try {
    for (const report of await removeOwn(client, lab)) log(report);
  } catch (cause) {
    const what = `objects with the label ${labLabel}=${lab} may be left at ${client.server.href}`;
    throw new LabError('state', `${what}: ${messageOf(cause)}`, { cause });
  }
}

async function removeOwn(client: RealClient, lab: string): Promise<readonly string[]> {
  for (const resource of resourceNames) {
    if (resource === 'namespaces') continue;
    const own = await listOwn(client, resource, lab);
    await Promise.all(own.map((object) => remove(client, resource, object)));
  }
  const namespaces = await listOwn(client, 'namespaces', lab);
  if (namespaces.length === 0) return [];
  const collections = await discoverCollections(client);
  const reports = await Promise.all(namespaces.map((each) => removeNamespace(client, each, collections)));
  return reports.filter((report) => report !== undefined);
}

function listOwn(client: RealClient, resource: ResourceName, lab: string): Promise<ApiObject[]> {
  return client.list(collectionPath(resource), { labelSelector: `${labLabel}=${lab}` });
}

async function remove(
  client: RealClient,
  resource: ResourceName,
  { metadata }: Pick<ApiObject, 'metadata'>,
): Promise<void> {
  const { namespace, name, uid } = metadata;
  // Grace period 0: this lab is the kubelet of these pods.
  const body = {
    propagationPolicy: 'Background',
    preconditions: { uid },
    ...(resource === 'pods' && { gracePeriodSeconds: 0 }),
  };
  try {
    await client.request({ method: 'DELETE', path: objectPath(resource, { namespace, name: name! }), body });
  } catch (error) {
    if (!isRefusal(error, 404, 409)) throw error;
  }
}

/** Returns why the namespace stays, or `undefined` if it is gone. */
async function removeNamespace(
  client: RealClient,
  namespace: ApiObject,
  collections: readonly Collection[],
): Promise<string | undefined> {
  const name = namespace.metadata.name!;
  const foreign = (await listContents(client, name, collections)).filter(isForeign);
  if (foreign.length > 0) {
    const texts = foreign.map(({ resource, metadata }) => `${resource}/${metadata.name}`);
    return `namespace ${name} stays, because it contains objects that the lab did not create: ${texts.join(', ')}`;
  }
  await remove(client, 'namespaces', namespace);
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const path = objectPath('namespaces', { name });
    const current = (await client.request({ method: 'GET', path }).catch(undefinedIfGone)) as ApiObject | undefined;
    if (current?.metadata.uid !== namespace.metadata.uid) return undefined;
    // A controller manager empties and finalizes a namespace. Without one, the lab finalizes a namespace that is empty.
    const isEnding = current!.metadata.deletionTimestamp !== undefined;
    if (isEnding && (await listContents(client, name, collections)).length === 0) {
      const body = { ...current, spec: { ...objectAt(current, 'spec'), finalizers: [] } };
      await client.request({ method: 'PUT', path: `${path}/finalize`, body }).catch(undefinedIfGone);
    }
    if (Date.now() > deadline) return `namespace ${name} is still being deleted`;
    await delay(100);
  }
}

function undefinedIfGone(error: unknown): undefined {
  // 409: the controller manager has finalized it meanwhile.
  if (!isRefusal(error, 404, 409)) throw error;
}
