import { shortHash } from '../lib/hash.ts';
import type { StoreEvent } from './api/history.ts';
import { fieldAt, objectAt } from './api/object.ts';
import type { ApiObject } from './api/object.ts';
import { apiVersionOf, resources } from './api/resources.ts';
import type { ResourceName } from './api/resources.ts';
import type { Store } from './api/store.ts';
import { isTerminal } from './pod-spec.ts';
import { Reconciler } from './reconciler.ts';

interface WorkloadKind {
  /** Number of pods that the object requests. */
  readonly count: (workload: ApiObject, nodes: number) => number;
  /** One pod on each node (DaemonSet). */
  readonly onEveryNode?: true;
  /** Status fields that users and `kubectl wait` read. */
  readonly status: (wanted: number, ready: number) => Record<string, unknown>;
}

const replicated: WorkloadKind = {
  count: (workload) => numberAt(workload, 'replicas'),
  status: (wanted, ready) => ({
    replicas: wanted,
    readyReplicas: ready,
    availableReplicas: ready,
    updatedReplicas: wanted,
    conditions: [{ type: 'Available', status: ready >= wanted ? 'True' : 'False' }],
  }),
};

const workloadKinds: Readonly<Partial<Record<ResourceName, WorkloadKind>>> = {
  deployments: replicated,
  replicasets: replicated,
  statefulsets: replicated,
  daemonsets: {
    count: (_, nodes) => nodes,
    onEveryNode: true,
    status: (wanted, ready) => ({
      desiredNumberScheduled: wanted,
      currentNumberScheduled: wanted,
      updatedNumberScheduled: wanted,
      numberReady: ready,
      numberAvailable: ready,
    }),
  },
  jobs: { count: (workload) => numberAt(workload, 'parallelism'), status: (_, ready) => ({ active: ready }) },
};

/** Hash of the pod template. A pod with another hash is replaced. */
const templateAnnotation = 'lab.postern.dev/template';

/** Creates the pods `NAME-0`, `NAME-1`, … of Deployments, StatefulSets, DaemonSets and Jobs. A rollout replaces all pods at once. */
export class WorkloadController {
  readonly #store: Store;
  readonly #reconciler: Reconciler;

  constructor(store: Store, log: (message: string) => void) {
    this.#store = store;
    this.#reconciler = new Reconciler({
      reconcile: async (key) => this.#reconcile(key),
      onError: (key, error) => log(`${key}: ${String(error)}`),
    });
  }

  onEvent({ resource, object }: StoreEvent): void {
    if (resource in workloadKinds) this.#add(resource, object.metadata.namespace!, object.metadata.name!);
    if (resource !== 'pods') return;
    for (const { kind, name } of object.metadata.ownerReferences ?? []) {
      const owner = (Object.keys(workloadKinds) as ResourceName[]).find((each) => resources[each].kind === kind);
      if (owner) this.#add(owner, object.metadata.namespace!, name);
    }
  }

  idle(): Promise<void> {
    return this.#reconciler.idle();
  }

  stop(): Promise<void> {
    return this.#reconciler.stop();
  }

  #add(resource: ResourceName, namespace: string, name: string): void {
    this.#reconciler.add(`${resource}/${namespace}/${name}`);
  }

  #reconcile(key: string): void {
    const [resource, namespace, name] = key.split('/') as [ResourceName, string, string];
    const workload = this.#store.find(resource, { namespace, name });
    // The store deletes the pods of a deleted workload by their owner references.
    if (!workload || workload.metadata.deletionTimestamp !== undefined) return;
    const kind = workloadKinds[resource]!;
    const nodes = this.#store.list('nodes').items.map((node) => node.metadata.name!);
    const wanted = kind.count(workload, nodes.length);
    const pods = this.#podsOf(workload);
    const template = shortHash(JSON.stringify(fieldAt(workload, 'spec', 'template')));
    for (let index = 0; index < wanted; index++) {
      if (pods.has(`${name}-${index}`)) continue;
      this.#createPod(resource, workload, template, index, kind.onEveryNode ? nodes[index] : undefined);
    }
    for (const [podName, pod] of pods) {
      const isWanted = Number(podName.slice(name.length + 1)) < wanted;
      const isCurrent = pod.metadata.annotations?.[templateAnnotation] === template;
      if ((isWanted && isCurrent) || pod.metadata.deletionTimestamp !== undefined) continue;
      this.#store.delete('pods', { namespace, name: podName });
    }
    const ready = [...pods.values()].filter((pod) => fieldAt(pod, 'status', 'phase') === 'Running').length;
    const status = { observedGeneration: workload.metadata.generation, ...kind.status(wanted, ready) };
    this.#store.updateStatus(resource, { ...this.#store.get(resource, { namespace, name }), status });
  }

  #podsOf({ metadata }: ApiObject): Map<string, ApiObject> {
    const pods = this.#store.list('pods', { namespace: metadata.namespace! }).items;
    const own = pods.filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
    return new Map(own.filter((pod) => !isTerminal(pod)).map((pod) => [pod.metadata.name!, pod]));
  }

  #createPod(resource: ResourceName, workload: ApiObject, template: string, index: number, nodeName?: string): void {
    const { namespace, name, uid } = workload.metadata;
    const podName = `${name}-${index}`;
    // Keeps a finished pod, and a pod of that name with another owner.
    if (this.#store.find('pods', { namespace, name: podName })) return;
    const metadata = objectAt(workload, 'spec', 'template', 'metadata');
    const owner = { apiVersion: apiVersionOf(resources[resource]), kind: workload.kind, name: name!, uid: uid! };
    this.#store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        namespace: namespace!,
        name: podName,
        annotations: { ...(metadata?.['annotations'] as object), [templateAnnotation]: template },
        ownerReferences: [{ ...owner, controller: true }],
      },
      spec: { ...objectAt(workload, 'spec', 'template', 'spec'), ...(nodeName && { nodeName }) },
    });
  }
}

/** Defaults to 1, as the API does. */
function numberAt(workload: ApiObject, field: string): number {
  const value = fieldAt(workload, 'spec', field);
  return typeof value === 'number' ? value : 1;
}
