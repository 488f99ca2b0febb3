import { ObjectDigest } from '../lib/object-digest.ts';
import { resourceNames } from '../model/cluster.ts';
import type { ResourceName } from '../model/cluster.ts';
import type { ApiObject } from './api/object.ts';
import type { ClusterApi } from './cluster-api.ts';

/** The objects that policies depend on, at one moment. */
export interface ClusterState {
  readonly objects: readonly ApiObject[];
  /** Digests that an agent publishes when it has applied these objects (lib/object-digest.ts). */
  readonly digests: Readonly<Record<ResourceName, string>>;
}

export async function readClusterState(cluster: ClusterApi): Promise<ClusterState> {
  const lists = await Promise.all(resourceNames.map(async (name) => [name, await cluster.list(name)] as const));
  const digests = lists.map(([name, items]) => {
    const digest = new ObjectDigest();
    for (const { metadata } of items) digest.add(metadata.uid!, metadata.resourceVersion!);
    return [name, digest.toString()] as const;
  });
  return {
    objects: lists.flatMap(([, items]) => items),
    digests: Object.fromEntries(digests) as Record<ResourceName, string>,
  };
}
