import type { ObjectKey, ResourceEvent } from '../model/cluster.ts';

interface Version {
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * The version of each object for which the watch has emitted an event. With it, the watch emits each version once: it drops repeated events, and a
 * new list yields only differences. It does not keep the objects; the indexer does.
 */
export class KnownObjects {
  readonly #versions = new Map<ObjectKey, Version>();

  get size(): number {
    return this.#versions.size;
  }

  keys(): ObjectKey[] {
    return [...this.#versions.keys()];
  }

  has(key: ObjectKey): boolean {
    return this.#versions.has(key);
  }

  hasVersion(key: ObjectKey, { uid, resourceVersion }: Version): boolean {
    const known = this.#versions.get(key);
    return known?.uid === uid && known.resourceVersion === resourceVersion && resourceVersion !== '';
  }

  /** Whether another object has this key now. */
  isReplaced(key: ObjectKey, uid: string): boolean {
    const known = this.#versions.get(key);
    return known !== undefined && known.uid !== uid;
  }

  record(event: ResourceEvent): void {
    if (event.op === 'upsert') {
      this.#versions.set(event.key, { uid: event.uid, resourceVersion: event.resourceVersion });
    } else if (event.op === 'remove') this.#versions.delete(event.key);
  }
}
