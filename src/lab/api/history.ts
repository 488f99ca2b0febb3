import type { ApiObject } from './object.ts';
import type { ResourceName } from './resources.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: ResourceName;
  readonly resourceVersion: number;
  /** After the change; of a deleted object the last state, under the version of its deletion. */
  readonly object: ApiObject;
  /** Before the change; absent for ADDED. */
  readonly previous?: ApiObject;
}

/** The last events in order, so that a watch can begin in the past and a list be read as of a past version. */
export class History {
  readonly #capacity: number;
  #events: StoreEvent[] = [];
  #compacted = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Events up to and including this version are gone. */
  get compacted(): number {
    return this.#compacted;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
    // Trimmed by halves, so that an append costs O(1) on average.
    if (this.#events.length > 2 * this.#capacity) this.compact(this.#events.at(-this.#capacity - 1)!.resourceVersion);
  }

  compact(version: number): void {
    if (version <= this.#compacted) return;
    this.#events = this.#events.filter((event) => event.resourceVersion > version);
    this.#compacted = version;
  }

  /** What came after `version`, or `undefined` where that is no longer known. */
  after(version: number): readonly StoreEvent[] | undefined {
    if (version < this.#compacted) return undefined;
    const first = this.#events.findIndex((event) => event.resourceVersion > version);
    return first < 0 ? [] : this.#events.slice(first);
  }
}
