import { isJsonObject, listAt, objectAt, textAt } from '../lib/json.ts';
import type { ApiObject } from './load.ts';

/** Paths of the pod template and of the number of pods. */
interface WorkloadKind {
  readonly template: readonly string[];
  readonly count: readonly string[];
}

const workloadKinds: Readonly<Record<string, WorkloadKind>> = {
  Deployment: { template: ['spec', 'template'], count: ['spec', 'replicas'] },
  ReplicaSet: { template: ['spec', 'template'], count: ['spec', 'replicas'] },
  StatefulSet: { template: ['spec', 'template'], count: ['spec', 'replicas'] },
  // One pod, although a cluster has one per node.
  DaemonSet: { template: ['spec', 'template'], count: [] },
  Job: { template: ['spec', 'template'], count: ['spec', 'parallelism'] },
  CronJob: { template: ['spec', 'jobTemplate', 'spec', 'template'], count: [] },
};

/** Limit, because replicas differ only in their addresses. */
const mostReplicas = 3;

/**
 * Replaces every workload by pods `NAME-0`, `NAME-1`, …, at most three each. Drops a workload that other given objects name as
 * their owner, because those objects are its pods or create them.
 */
export function expandWorkloads(objects: readonly ApiObject[]): ApiObject[] {
  const owners = new Set(objects.flatMap((object) => ownersOf(object)));
  return objects.flatMap((object) => {
    const kind = textAt(object, 'kind') ?? '';
    const workload = Object.hasOwn(workloadKinds, kind) ? workloadKinds[kind] : undefined;
    if (!workload) return [object];
    const namespace = namespaceOf(object);
    return owners.has(`${kind} ${namespace}/${textAt(object, 'metadata', 'name')}`) ? [] : podsOf(object, workload);
  });
}

export function namespaceOf(object: ApiObject): string {
  return textAt(object, 'metadata', 'namespace') ?? 'default';
}

function ownersOf(object: ApiObject): string[] {
  const namespace = namespaceOf(object);
  return listAt(object, 'metadata', 'ownerReferences').map(
    (owner) => `${textAt(owner, 'kind')} ${namespace}/${textAt(owner, 'name')}`,
  );
}

function podsOf(object: ApiObject, { template, count }: WorkloadKind): ApiObject[] {
  const name = textAt(object, 'metadata', 'name') ?? '';
  const wanted = count.length === 0 ? 1 : objectAt(object, ...count.slice(0, -1))[count.at(-1)!];
  const replicas = Math.min(typeof wanted === 'number' ? wanted : 1, mostReplicas);
  const metadata = objectAt(object, ...template, 'metadata');
  const spec = objectAt(object, ...template)['spec'];
  return Array.from({ length: Math.max(replicas, 0) }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      namespace: namespaceOf(object),
      name: `${name}-${index}`,
      ownerReferences: [{ apiVersion: object['apiVersion'], kind: object['kind'], name, controller: true }],
    },
    ...(isJsonObject(spec) ? { spec } : {}),
  }));
}
