import { modeAnnotation } from '../evaluator/policy.ts';
import { listAt, objectAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { keyOf, namespaceOf } from './object-key.ts';
import { isSameValue } from './same-value.ts';

export interface ObjectChange {
  /** `NetworkPolicy shop/web` */
  readonly object: string;
  readonly change: 'created' | 'changed' | 'unchanged' | 'deleted' | 'refused';
  /** Why the object is refused, or what apply does not change. */
  readonly message?: string;
}

export interface Applied {
  readonly objects: readonly JsonObject[];
  readonly changes: readonly ObjectChange[];
}

/** Kinds that policies depend on, and workload kinds. */
const relevant: ReadonlySet<string> = new Set([
  ...['NetworkPolicy', 'ClusterNetworkPolicy', 'Namespace', 'Pod', 'Node'],
  ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'],
]);

/**
 * Returns the objects of a cluster after `given` is applied. An unchanged object stays identical (`===`).
 * Refuses an object in a namespace that does not exist, as the API server does.
 */
export function applyObjects(cluster: readonly JsonObject[], given: readonly JsonObject[]): Applied {
  const now = new Map(cluster.map((object) => [keyOf(object), object]));
  const namespaces = new Set([...now.keys(), ...given.map(keyOf)].filter((key) => key.startsWith('Namespace ')));
  const changes: ObjectChange[] = [];
  for (const object of given) {
    const key = keyOf(object);
    const namespace = namespaceOf(object);
    const known = now.get(key);
    const report = (change: ObjectChange['change'], message?: string): void => {
      if (relevant.has(String(object['kind']))) changes.push({ object: key, change, ...(message && { message }) });
    };
    if (namespace !== undefined && namespace !== 'default' && !namespaces.has(`Namespace ${namespace}`)) {
      report('refused', `namespace ${namespace} does not exist: create it first, or add it with -f`);
      continue;
    }
    const merged = known ? merge(known, object) : object;
    const message = known && modeMessage(known, object, merged);
    if (known && isEqual(known, merged)) report('unchanged', message);
    else {
      report(known ? 'changed' : 'created', message);
      now.set(key, merged);
    }
  }
  return { objects: [...now.values()], changes: lastOfEach(changes) };
}

/** Removes the given objects, and all objects in a removed namespace. */
export function deleteObjects(cluster: readonly JsonObject[], given: readonly JsonObject[]): Applied {
  const named = new Set(given.map(keyOf));
  const goes = (object: JsonObject): boolean =>
    named.has(keyOf(object)) || named.has(`Namespace ${namespaceOf(object)}`);
  const there = new Set(cluster.map(keyOf));
  const gone = cluster.filter((object) => relevant.has(String(object['kind'])) && goes(object)).map(keyOf);
  const absent = given.filter((object) => relevant.has(String(object['kind'])) && !there.has(keyOf(object)));
  return {
    objects: cluster.filter((object) => !goes(object)),
    changes: [
      ...gone.map((object): ObjectChange => ({ object, change: 'deleted' })),
      ...absent.map((object): ObjectChange => {
        return { object: keyOf(object), change: 'unchanged', message: 'does not exist, so there is nothing to delete' };
      }),
    ],
  };
}

/** The given object, with the fields that the cluster has set and that apply does not touch. */
function merge(known: JsonObject, object: JsonObject): JsonObject {
  if (object['kind'] === 'NetworkPolicy') return withMode(known, object);
  if (object['kind'] === 'ClusterNetworkPolicy') return object;
  const status = { ...objectAt(known, 'status'), ...objectAt(object, 'status') };
  if (object['kind'] !== 'Pod') return { ...withLabels(known, object), status };
  const nodeName = textAt(known, 'spec', 'nodeName');
  return { ...object, spec: { ...(nodeName !== undefined && { nodeName }), ...objectAt(object, 'spec') }, status };
}

/** As `kubectl apply`: removes labels that the last apply set and this one does not, and keeps all others. */
function withLabels(known: JsonObject, object: JsonObject): JsonObject {
  const last = lastAppliedLabels(known);
  const kept = Object.entries(objectAt(known, 'metadata', 'labels')).filter(([key]) => !last.has(key));
  const labels = { ...Object.fromEntries(kept), ...objectAt(object, 'metadata', 'labels') };
  return { ...object, metadata: { ...objectAt(object, 'metadata'), labels } };
}

/** As `kubectl apply`: takes the annotation away only if the last apply has set it. Without a record of the last apply, the given object decides. */
function withMode(known: JsonObject, object: JsonObject): JsonObject {
  const [was, is] = [modeOf(known), modeOf(object)];
  if (was === undefined || is !== undefined) return object;
  const last = lastAppliedMetadata(known);
  if (!last || modeAnnotation in objectAt(last, 'annotations')) return object;
  const metadata = objectAt(object, 'metadata');
  return {
    ...object,
    metadata: { ...metadata, annotations: { ...objectAt(metadata, 'annotations'), [modeAnnotation]: was } },
  };
}

function modeOf(object: JsonObject): unknown {
  return objectAt(object, 'metadata', 'annotations')[modeAnnotation];
}

/** What happens to a mode that the given policy does not have. */
function modeMessage(known: JsonObject, given: JsonObject, merged: JsonObject): string | undefined {
  if (known['kind'] !== 'NetworkPolicy' || modeOf(known) === undefined || modeOf(given) !== undefined) return undefined;
  const annotation = `${modeAnnotation}: ${String(modeOf(known))}`;
  if (modeOf(merged) !== undefined)
    return `keeps the annotation ${annotation}, because "kubectl annotate" has set it; "kubectl annotate … ${modeAnnotation}-" takes it away`;
  if (lastAppliedMetadata(known)) return undefined;
  return `this is without the annotation ${annotation}: if "kubectl annotate" has set it, apply keeps it, and "kubectl annotate … ${modeAnnotation}-" takes it away`;
}

export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** Names of the labels that the last `kubectl apply` has set. */
export function lastAppliedLabels(object: JsonObject): ReadonlySet<string> {
  return new Set(Object.keys(objectAt(lastAppliedMetadata(object), 'labels')));
}

/** Missing without a record that can be read. */
function lastAppliedMetadata(object: JsonObject): JsonObject | undefined {
  const text = objectAt(object, 'metadata', 'annotations')[lastAppliedAnnotation];
  try {
    return objectAt(JSON.parse(String(text)), 'metadata');
  } catch {
    return undefined;
  }
}

function isEqual(known: JsonObject, given: JsonObject): boolean {
  return isSameValue(comparableFields(known), comparableFields(given));
}

/** The fields that policies depend on. */
function comparableFields(object: JsonObject): unknown {
  const labels = objectAt(object, 'metadata', 'labels');
  const spec = objectAt(object, 'spec');
  switch (object['kind']) {
    case 'NetworkPolicy':
      return [object['spec'] ?? {}, modeOf(object)];
    case 'ClusterNetworkPolicy':
      return object['spec'] ?? {};
    case 'Namespace':
      return labels;
    case 'Node':
      return [labels, listAt(object, 'status', 'addresses')];
    case 'Pod':
      return [labels, spec['nodeName'], spec['hostNetwork'] === true, portsOf(object), object['status'] ?? {}];
    default:
      return object;
  }
}

function portsOf(pod: JsonObject): unknown {
  const containers = [...listAt(pod, 'spec', 'containers'), ...listAt(pod, 'spec', 'initContainers')];
  return containers.flatMap((container) => {
    const policy = textAt(container, 'restartPolicy');
    return listAt(container, 'ports').map((port) => [policy, objectAt(port)]);
  });
}

function lastOfEach(changes: readonly ObjectChange[]): ObjectChange[] {
  return [...new Map(changes.map((change) => [change.object, change])).values()];
}
