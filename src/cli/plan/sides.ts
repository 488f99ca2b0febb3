import type { KubeConfig } from '@kubernetes/client-node';
import { applyObjects, deleteObjects } from '../../impact/changes.ts';
import type { ObjectChange } from '../../impact/changes.ts';
import { keyOf } from '../../impact/object-key.ts';
import { listAt, objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { assignAddresses } from '../../manifests/addresses.ts';
import { applyDefaults } from '../../manifests/defaults.ts';
import { expandWorkloads } from '../../manifests/workloads.ts';
import { foreignPolicies, readLiveObjects, readManifests } from '../explain/cluster-source.ts';
import { liveWorkloads } from './live-workloads.ts';

/** A cluster before and after the change. */
export interface Sides {
  readonly before: readonly JsonObject[];
  readonly after: readonly JsonObject[];
  readonly changes: readonly ObjectChange[];
  readonly notes: readonly string[];
  /** False if all addresses of pods are assumed. */
  readonly isAddressed: boolean;
  /** Kubeconfig of a live cluster. */
  readonly config?: KubeConfig;
}

export interface Where {
  readonly base?: readonly string[] | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** @param given Objects without defaults. */
export async function readSides(given: readonly JsonObject[], deletes: boolean, where: Where): Promise<Sides> {
  const change = deletes ? deleteObjects : applyObjects;
  if (where.base) return manifestSides(await readManifests(where.base), given, change);
  const { config, objects } = await readLiveObjects(
    where.kubeconfig,
    where.context,
    'pass the cluster as manifests with --base',
  );
  const { objects: placed, notes } = liveWorkloads(fillIn(given), objects, deletes);
  const { objects: after, changes } = change(objects, placed);
  return { before: objects, after, changes, notes: [...notes, ...foreignPolicies(given)], isAddressed: true, config };
}

/** Applies workloads first and expands them to pods afterwards, so that a given workload replaces the existing one. */
function manifestSides(base: readonly JsonObject[], given: readonly JsonObject[], change: typeof applyObjects): Sides {
  const known = applyDefaults(base);
  const applied = change(known.objects, fillIn(given));
  const pods = applyDefaults(expandWorkloads(known.objects)).objects;
  const before = assignAddresses(pods).objects;
  const expanded = applyDefaults(expandWorkloads(applied.objects)).objects;
  const after = assignAddresses(keepPlaces(before, known.objects, expanded)).objects;
  const notes = [...known.notes, ...foreignPolicies(given)];
  return { before, after, changes: applied.changes, notes, isAddressed: pods.some(hasAddress) };
}

function hasAddress(object: JsonObject): boolean {
  return object['kind'] === 'Pod' && listAt(object, 'status', 'podIPs').length > 0;
}

/** The given objects with the defaults of the API server, without the namespaces that applyDefaults adds. */
function fillIn(given: readonly JsonObject[]): JsonObject[] {
  const keys = new Set(given.map(keyOf));
  return applyDefaults(given).objects.filter((object) => keys.has(keyOf(object)));
}

/** Keeps nodes and addresses of pods, so that assumed values are the same on both sides. */
function keepPlaces(
  before: readonly JsonObject[],
  given: readonly JsonObject[],
  after: readonly JsonObject[],
): JsonObject[] {
  const places = new Map(before.map((object) => [keyOf(object), object]));
  const written = new Set(given.map(keyOf));
  const kept = after.map((object) => {
    const place = places.get(keyOf(object));
    if (object['kind'] === 'Node') return keepStatus(object, place, 'addresses');
    if (object['kind'] !== 'Pod') return object;
    const nodeName = textAt(object, 'spec', 'nodeName') ?? textAt(place, 'spec', 'nodeName');
    const spec = { ...objectAt(object, 'spec'), ...(nodeName !== undefined && { nodeName }) };
    return keepStatus({ ...object, spec }, place, 'podIPs');
  });
  const madeUp = before.filter((object) => object['kind'] === 'Node' && !written.has(keyOf(object)));
  const there = new Set(kept.map(keyOf));
  return [...madeUp.filter((node) => !there.has(keyOf(node))), ...kept];
}

function keepStatus(object: JsonObject, place: JsonObject | undefined, field: string): JsonObject {
  const addresses = listAt(place, 'status', field);
  if (listAt(object, 'status', field).length > 0 || addresses.length === 0) return object;
  return { ...object, status: { ...objectAt(object, 'status'), [field]: addresses } };
}
