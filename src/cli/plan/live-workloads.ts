import { keyOf } from '../../impact/object-key.ts';
import { objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { expandWorkloads } from '../../manifests/workloads.ts';
import { findWorkloadPods } from '../explain/workload-pods.ts';

/**
 * Turns workloads of manifests into pods of a live cluster. Running pods get the new template and keep their names and addresses,
 * although their real replacements will have others. A workload without running pods becomes pods without addresses.
 */
export function liveWorkloads(
  given: readonly JsonObject[],
  live: readonly JsonObject[],
  deletes: boolean,
): { objects: JsonObject[]; notes: string[] } {
  const notes: string[] = [];
  const objects = given.flatMap((object) => {
    const expanded = expandWorkloads([object]);
    if (expanded[0] === object) return [object];
    const kind = textAt(object, 'kind') ?? '';
    const namespace = textAt(object, 'metadata', 'namespace') ?? 'default';
    const name = textAt(object, 'metadata', 'name') ?? '';
    const running = findWorkloadPods(live, namespace, kind.toLowerCase(), name);
    if (running.length === 0) {
      if (!deletes && expanded.length > 0) {
        notes.push(`${kind} ${namespace}/${name} runs no pod yet: the plan shows only which policies isolate its pods`);
      }
      return deletes ? [] : expanded;
    }
    const template = expanded[0];
    if (!deletes && template) notes.push(`assuming that the pods of ${kind} ${namespace}/${name} keep their addresses`);
    return running.map((key) => {
      const pod = live.find((each) => keyOf(each) === `Pod ${key}`)!;
      return template && !deletes ? renewed(pod, template) : pod;
    });
  });
  return { objects, notes };
}

/** Takes labels and spec of the template, and keeps the labels that controllers set per pod. */
function renewed(pod: JsonObject, template: JsonObject): JsonObject {
  const metadata = objectAt(pod, 'metadata');
  const own = Object.entries(objectAt(metadata, 'labels')).filter(([key]) =>
    /-hash$|^statefulset\.|pod-index$/.test(key),
  );
  const labels = { ...Object.fromEntries(own), ...objectAt(template, 'metadata', 'labels') };
  return {
    ...pod,
    metadata: { ...metadata, labels },
    spec: { ...objectAt(pod, 'spec'), ...objectAt(template, 'spec') },
  };
}
