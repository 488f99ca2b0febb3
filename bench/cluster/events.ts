import { resourceNames, type ResourceEvent } from '../../src/model/cluster.ts';
import { readIdentity } from '../../src/watch/decode.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { clusterObjects } from './objects.ts';
import type { Shape } from './shapes.ts';

const resourceOfKind = new Map(watchedResources.map((each) => [each.kind, each]));

/** The events of the watch room for the cluster: each object once, then "all lists complete". */
export function* clusterEvents(shape: Shape): Generator<ResourceEvent> {
  for (const raw of clusterObjects(shape)) yield upsert(raw);
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

/** The event of the watch room for a raw object. */
export function upsert(raw: object): ResourceEvent {
  const { kind = '' } = raw as { kind?: string };
  const watched = resourceOfKind.get(kind);
  const identity = readIdentity(raw);
  if (!watched || !identity) throw new Error(`nothing that is watched: ${JSON.stringify(raw).slice(0, 200)}`);
  const key = watched.namespaced ? `${identity.namespace}/${identity.name}` : identity.name;
  const { uid, resourceVersion, generation } = identity;
  const { resource } = watched;
  return { op: 'upsert', resource, key, uid, resourceVersion, generation, ...watched.decode(raw, identity) };
}
