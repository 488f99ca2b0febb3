import { resourceNames, type ResourceEvent } from '../../src/model/cluster.ts';
import { readIdentity } from '../../src/watch/decode.ts';
import { clusterObjects } from './objects.ts';
import { servedResources } from './served.ts';
import type { Shape } from './shapes.ts';

const resourceOfKind = new Map(servedResources.map((each) => [each.kind, each]));

/** The events of the watch room for the cluster: each object once, then "all lists complete". */
export function* clusterEvents(shape: Shape): Generator<ResourceEvent> {
  for (const raw of clusterObjects(shape)) yield upsert(raw);
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

/** The event of the watch room for a raw object. */
export function upsert(raw: object): ResourceEvent {
  const { kind = '' } = raw as { kind?: string };
  const served = resourceOfKind.get(kind);
  const identity = readIdentity(raw);
  if (!served || !identity) throw new Error(`nothing that is watched: ${JSON.stringify(raw).slice(0, 200)}`);
  const key = served.namespaced ? `${identity.namespace}/${identity.name}` : identity.name;
  const { uid, resourceVersion, generation } = identity;
  const { resource } = served;
  return { op: 'upsert', resource, key, uid, resourceVersion, generation, ...served.decode(raw, identity) };
}
