import { freezeDeeply, type ApiObject, type ObjectKey } from './object.ts';
import { History, type StoreEvent } from './history.ts';
import { resourceNames, type ResourceName } from './resources.ts';
import { compareText } from '../../lib/sort.ts';

export interface LedgerListener {
  /** Called after the change; calls never nest, so every listener sees all events in order. */
  onEvent(event: StoreEvent): void;
  /** Called when `expireWatches` ends all open watches. */
  onExpired?(): void;
}

/** The current objects, one version counter for all, and the recent events. Has no API rules. */
export class Ledger {
  readonly #objects = new Map<ResourceName, Map<string, ApiObject>>(resourceNames.map((name) => [name, new Map()]));
  readonly #history: History;
  readonly #listeners = new Set<LedgerListener>();
  readonly #pending: StoreEvent[] = [];
  #delivering = false;
  #version = 0;

  constructor(historyCapacity: number) {
    this.#history = new History(historyCapacity);
  }

  get version(): number {
    return this.#version;
  }

  get compacted(): number {
    return this.#history.compacted;
  }

  get(resource: ResourceName, key: ObjectKey): ApiObject | undefined {
    return this.#objects.get(resource)!.get(keyText(key));
  }

  /** Unordered. */
  values(resource: ResourceName): IteratorObject<ApiObject> {
    return this.#objects.get(resource)!.values();
  }

  hasAny(resource: ResourceName, namespace: string): boolean {
    return this.values(resource).some((object) => object.metadata.namespace === namespace);
  }

  /** Ordered by namespace and name. */
  all(resource: ResourceName, namespace?: string): ApiObject[] {
    return inOrder(this.#objects.get(resource)!, namespace);
  }

  /** The list at `version`; `undefined` if it is compacted. */
  allAt(version: number, resource: ResourceName, namespace?: string): ApiObject[] | undefined {
    if (version === this.#version) return this.all(resource, namespace);
    const since = this.#history.after(version);
    if (!since) return undefined;
    const objects = new Map(this.#objects.get(resource));
    for (const event of since.toReversed()) {
      if (event.resource !== resource) continue;
      const key = keyText(keyOf(event.object));
      if (event.previous) objects.set(key, event.previous);
      else objects.delete(key);
    }
    return inOrder(objects, namespace);
  }

  /** Stores `object` under the next version and freezes it. */
  put(resource: ResourceName, object: ApiObject): ApiObject {
    const key = keyText(keyOf(object));
    const previous = this.#objects.get(resource)!.get(key);
    const stored = this.#stamp(object);
    this.#objects.get(resource)!.set(key, stored);
    const change = { resource, object: stored, resourceVersion: this.#version };
    this.#publish(previous ? { ...change, type: 'MODIFIED', previous } : { ...change, type: 'ADDED' });
    return stored;
  }

  remove(resource: ResourceName, previous: ApiObject): ApiObject {
    this.#objects.get(resource)!.delete(keyText(keyOf(previous)));
    const object = this.#stamp(structuredClone(previous));
    this.#publish({ type: 'DELETED', resource, object, previous, resourceVersion: this.#version });
    return object;
  }

  /** Events after `version`; `undefined` if it is compacted. */
  eventsAfter(version: number): readonly StoreEvent[] | undefined {
    return this.#history.after(version);
  }

  watch(listener: LedgerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  compact(version: number): void {
    this.#history.compact(version);
  }

  expireWatches(): void {
    for (const listener of [...this.#listeners]) listener.onExpired?.();
  }

  #stamp(object: ApiObject): ApiObject {
    object.metadata.resourceVersion = String(++this.#version);
    return freezeDeeply(object);
  }

  #publish(event: StoreEvent): void {
    this.#history.append(event);
    this.#pending.push(event);
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#pending.shift(); next; next = this.#pending.shift()) {
        for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener.onEvent(next);
      }
    } finally {
      this.#delivering = false;
    }
  }
}

export function keyOf(object: ApiObject): ObjectKey {
  return { namespace: object.metadata.namespace, name: object.metadata.name! };
}

/** `/` cannot stand in a name, so the text is unique. */
function keyText({ namespace, name }: ObjectKey): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function inOrder(objects: ReadonlyMap<string, ApiObject>, namespace: string | undefined): ApiObject[] {
  const entries = [...objects].filter(
    ([, object]) => namespace === undefined || object.metadata.namespace === namespace,
  );
  return entries.toSorted(([a], [b]) => compareText(a, b)).map(([, object]) => object);
}
