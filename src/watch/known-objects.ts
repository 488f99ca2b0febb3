import type { ObjectKey, ResourceEvent } from '../model/cluster.ts';

interface Version {
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * Which version of which object has been told, so that each is told once: a repeated event says nothing, and a new list says only
 * what differs. Not the objects themselves: those are the indexer's.
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

  /** Another object has taken the key since. */
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
