import type { Ledger } from './ledger.ts';
import { keyOf } from './ledger.ts';
import { formatTime } from './metadata.ts';
import { fieldAt, listAt, textAt, type ApiObject } from './object.ts';
import { resourceNames, resources, type ResourceName } from './resources.ts';
import { checkPreconditions, type Preconditions } from './preconditions.ts';
import { forbidden } from './status.ts';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly preconditions?: Preconditions | undefined;
  readonly dryRun?: boolean | undefined;
}

const lasting: ReadonlySet<string> = new Set(['default', 'kube-system']);

/** Deletion: grace period of pods, finalizers, dependents, contents of a namespace. */
export class Deletion {
  readonly #ledger: Ledger;
  readonly #now: () => Date;

  constructor(ledger: Ledger, now: () => Date) {
    this.#ledger = ledger;
    this.#now = now;
  }

  delete(name: ResourceName, object: ApiObject, options: DeleteOptions): { object: ApiObject; removed: boolean } {
    checkDeletable(name, object, options);
    if (options.dryRun) return { object, removed: true };
    const grace = name === 'pods' ? podGrace(object, options) : 0;
    if (name === 'namespaces') return this.#terminateNamespace(object);
    if (grace === 0 && listAt(object, 'metadata', 'finalizers').length === 0) {
      return { object: this.#remove(name, object), removed: true };
    }
    return { object: this.#mark(name, object, grace), removed: false };
  }

  /** Called after a write: removes a terminating object whose last finalizer is gone. */
  finishIfReleased(name: ResourceName, object: ApiObject): ApiObject {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata;
    if (deletionTimestamp === undefined) return object;
    if (name === 'namespaces') this.#finishNamespace(object.metadata.name!);
    else if (deletionGracePeriodSeconds === 0 && listAt(object, 'metadata', 'finalizers').length === 0) {
      this.#remove(name, object);
    }
    return object;
  }

  #mark(name: ResourceName, object: ApiObject, grace: number, changes: Partial<ApiObject> = {}): ApiObject {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata;
    // A second deletion can only shorten the grace period.
    if (deletionTimestamp !== undefined && grace >= deletionGracePeriodSeconds) return object;
    const marked = structuredClone({ ...object, ...changes });
    marked.metadata.deletionTimestamp = formatTime(new Date(this.#now().getTime() + grace * 1000));
    marked.metadata.deletionGracePeriodSeconds = grace;
    return this.#ledger.put(name, marked);
  }

  #remove(name: ResourceName, object: ApiObject): ApiObject {
    const removed = this.#ledger.remove(name, object);
    this.#deleteDependents(removed.metadata.uid!);
    if (removed.metadata.namespace !== undefined) this.#finishNamespace(removed.metadata.namespace);
    return removed;
  }

  #terminateNamespace(namespace: ApiObject): { object: ApiObject; removed: boolean } {
    const name = namespace.metadata.name!;
    const status = { ...(namespace.status as object), phase: 'Terminating' };
    const object = this.#mark('namespaces', namespace, 0, { status });
    for (const each of namespacedResources) {
      for (const content of this.#ledger.all(each, name)) {
        // The removal of an owner may have removed this object already.
        const current = this.#ledger.get(each, keyOf(content));
        if (current) this.delete(each, current, {});
      }
    }
    this.#finishNamespace(name);
    return { object, removed: false };
  }

  #finishNamespace(name: string): void {
    const namespace = this.#ledger.get('namespaces', { name });
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (namespacedResources.some((each) => this.#ledger.hasAny(each, name))) return;
    const finalizers = listAt(namespace, 'spec', 'finalizers').filter((each) => each !== 'kubernetes');
    if (finalizers.length === 0 && listAt(namespace, 'metadata', 'finalizers').length === 0) {
      this.#remove('namespaces', namespace);
    }
  }

  /** Background garbage collection: deletes objects with this owner and no other existing owner. */
  #deleteDependents(uid: string): void {
    for (const { name, object } of this.#dependents(uid)) {
      const current = this.#ledger.get(name, keyOf(object));
      if (!current) continue;
      const owners = current.metadata.ownerReferences ?? [];
      const lives = owners.some((owner) => owner.uid !== uid && this.#isAlive(owner.uid));
      if (!lives) this.delete(name, current, {});
    }
  }

  #dependents(uid: string): { name: ResourceName; object: ApiObject }[] {
    return resourceNames.flatMap((name) =>
      [...this.#ledger.values(name)]
        .filter((object) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid))
        .map((object) => ({ name, object })),
    );
  }

  #isAlive(uid: string): boolean {
    return resourceNames.some((name) => this.#ledger.values(name).some((object) => object.metadata.uid === uid));
  }
}

const namespacedResources = resourceNames.filter((name) => resources[name].namespaced);

function checkDeletable(name: ResourceName, object: ApiObject, { preconditions }: DeleteOptions): void {
  if (preconditions) checkPreconditions(resources[name], object, preconditions);
  const objectName = object.metadata.name!;
  if (name === 'namespaces' && lasting.has(objectName)) {
    throw forbidden(resources[name], objectName, 'this namespace may not be deleted');
  }
}

/** Grace period in seconds; 0 for a pod without a node and for a finished pod. */
function podGrace(pod: ApiObject, options: DeleteOptions): number {
  const phase = textAt(pod, 'status', 'phase');
  if (!textAt(pod, 'spec', 'nodeName') || phase === 'Succeeded' || phase === 'Failed') return 0;
  const asked = options.gracePeriodSeconds ?? fieldAt(pod, 'spec', 'terminationGracePeriodSeconds');
  return typeof asked === 'number' ? Math.max(0, asked) : 30;
}
