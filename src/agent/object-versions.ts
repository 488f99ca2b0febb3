import { ObjectDigest } from '../lib/object-digest.ts';
import { resourceNames, type ObjectKey, type ResourceEvent, type ResourceName } from '../model/cluster.ts';
import type { PolicyId } from '../model/policy.ts';
import { policyObject } from './policy-object.ts';
import type { AppliedVersion } from './reconciler.ts';

export interface ObjectVersion {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
}

/** Hashes the received object versions of each resource, with constant cost for each event. */
export class ObjectVersions {
  readonly #digests = new Map(resourceNames.map((name) => [name, new ObjectDigest()]));
  readonly #versions = new Map(resourceNames.map((name) => [name, new Map<ObjectKey, ObjectVersion>()]));

  receive(event: ResourceEvent): void {
    if (event.op === 'synced') return;
    const digest = this.#digests.get(event.resource)!;
    const versions = this.#versions.get(event.resource)!;
    const known = versions.get(event.key);
    if (known) digest.remove(known.uid, known.resourceVersion);
    if (event.op === 'upsert') {
      const { uid, resourceVersion, generation } = event;
      digest.add(uid, resourceVersion);
      versions.set(event.key, { uid, resourceVersion, generation });
    } else versions.delete(event.key);
  }

  /** `undefined` if the agent knows no such object. */
  find(resource: ResourceName, key: ObjectKey): ObjectVersion | undefined {
    return this.#versions.get(resource)?.get(key);
  }

  ofPolicy(id: PolicyId): ObjectVersion | undefined {
    const { resource, key } = policyObject(id);
    return this.find(resource, key);
  }

  /** All objects of the resource. */
  all(resource: ResourceName): ReadonlyMap<ObjectKey, ObjectVersion> {
    return this.#versions.get(resource)!;
  }

  count(resource: ResourceName): number {
    return this.#versions.get(resource)?.size ?? 0;
  }

  get version(): AppliedVersion {
    const entries = [...this.#digests].map(([name, digest]) => [name, digest.toString()] as const);
    return Object.fromEntries(entries) as Record<ResourceName, string>;
  }
}
