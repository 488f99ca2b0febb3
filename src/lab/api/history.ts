import type { ApiObject } from './object.ts';
import type { ResourceName } from './resources.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: ResourceName;
  readonly resourceVersion: number;
  /** After the change; for a deleted object its last state with the version of the deletion. */
  readonly object: ApiObject;
  /** Before the change; absent for ADDED. */
  readonly previous?: ApiObject;
}

/** The recent events in order, for watches and lists from a past version. */
export class History {
  readonly #capacity: number;
  #events: StoreEvent[] = [];
  #compacted = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Events up to and including this version are dropped. */
  get compacted(): number {
    return this.#compacted;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
    // Drops half of the events at once, so that an append is amortised O(1).
    if (this.#events.length > 2 * this.#capacity) this.compact(this.#events.at(-this.#capacity - 1)!.resourceVersion);
  }

  compact(version: number): void {
    if (version <= this.#compacted) return;
    this.#events = this.#events.filter((event) => event.resourceVersion > version);
    this.#compacted = version;
  }

  /** Events after `version`; `undefined` if it is compacted. */
  after(version: number): readonly StoreEvent[] | undefined {
    if (version < this.#compacted) return undefined;
    const first = this.#events.findIndex((event) => event.resourceVersion > version);
    return first < 0 ? [] : this.#events.slice(first);
  }
}
