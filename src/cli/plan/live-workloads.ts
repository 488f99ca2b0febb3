import { keyOf } from '../../impact/object-key.ts';
import { objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { expandWorkloads } from '../../manifests/workloads.ts';
import { findWorkloadPods } from '../explain/workload-pods.ts';

/**
 * Workloads of manifests as pods of a live cluster: those that run are given the new template and keep their names and addresses, which their
 * successors will not; where none runs yet, pods without an address stand for them.
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
        notes.push(`${kind} ${namespace}/${name} runs no pod yet: only what isolates its pods could be said`);
      }
      return deletes ? [] : expanded;
    }
    const template = expanded[0];
    if (!deletes && template) notes.push(`pods of ${kind} ${namespace}/${name} are taken to keep their addresses`);
    return running.map((key) => {
      const pod = live.find((each) => keyOf(each) === `Pod ${key}`)!;
      return template && !deletes ? renewed(pod, template) : pod;
    });
  });
  return { objects, notes };
}

/** Labels of the template, and those that tell the pod from its siblings; of the spec what the template says. */
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
