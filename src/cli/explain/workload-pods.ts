import { listAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';

/**
 * `namespace/name` of the pods of a workload, also through a ReplicaSet or a Job. Without a kind, any workload of that name counts.
 */
export function findWorkloadPods(
  objects: readonly JsonObject[],
  namespace: string,
  kind: string | undefined,
  name: string,
): string[] {
  return objects
    .filter((object) => object['kind'] === 'Pod' && textAt(object, 'metadata', 'namespace') === namespace)
    .filter((pod) => listAt(pod, 'metadata', 'ownerReferences').some((owner) => isMadeBy(pod, owner, kind, name)))
    .map((pod) => `${namespace}/${textAt(pod, 'metadata', 'name')}`);
}

function isMadeBy(pod: JsonObject, owner: unknown, kind: string | undefined, name: string): boolean {
  const ownerKind = textAt(owner, 'kind')?.toLowerCase();
  const ownerName = textAt(owner, 'name') ?? '';
  if (ownerName === name && (kind === undefined || kind === ownerKind)) return true;
  // ReplicaSet names are DEPLOYMENT-HASH, with the hash of the template; Job names are CRONJOB-MINUTES, with the scheduled time.
  if (ownerKind === 'replicaset' && (kind ?? 'deployment') === 'deployment') {
    return ownerName === `${name}-${textAt(pod, 'metadata', 'labels', 'pod-template-hash')}`;
  }
  return (
    ownerKind === 'job' &&
    (kind ?? 'cronjob') === 'cronjob' &&
    /^-[0-9]+$/.test(ownerName.slice(name.length)) &&
    ownerName.startsWith(name)
  );
}
