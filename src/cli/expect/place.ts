import { mayBeService } from '../explain/service-argument.ts';
import {
  fromManifests,
  readLiveObjects,
  readManifestCluster,
  readServices,
  toSource,
} from '../explain/cluster-source.ts';
import type { TestPlace } from './check.ts';
import type { PolicyTest } from './format.ts';

export interface PlaceFlags {
  readonly filename?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** The evaluator judges about 60,000 connections in a second. */
const mostByPolicies = 1_000_000;

/** Opens the manifests or the cluster, and closes what it opened when `use` ends. */
export async function openTestPlace<Value>(
  flags: PlaceFlags,
  tests: readonly PolicyTest[],
  use: (place: TestPlace) => Promise<Value>,
): Promise<Value> {
  if (flags.filename) {
    return use({ by: 'policies', source: await readManifestCluster(flags.filename), most: mostByPolicies });
  }
  return use({ by: 'policies', source: await readLiveSource(flags, tests), most: mostByPolicies });
}

/** Lists Services only if an end may be one. */
async function readLiveSource({ kubeconfig, context }: PlaceFlags, tests: readonly PolicyTest[]) {
  const { config, objects } = await readLiveObjects(kubeconfig, context, fromManifests);
  const needsServices = tests.some(({ to }) => typeof to === 'string' && mayBeService(to));
  const { services, notes } = needsServices ? await readServices(config) : { services: [], notes: [] };
  return toSource([...objects, ...services], new Map(), notes);
}
