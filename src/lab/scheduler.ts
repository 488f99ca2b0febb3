import type { StoreEvent } from './api/history.ts';
import type { Store } from './api/store.ts';
import { nodeNameOf } from './pod-spec.ts';

/** Binds pods that name no node to the node with the fewest. */
export class Scheduler {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  onEvent({ resource, type, object }: StoreEvent): void {
    if (resource !== 'pods' || type === 'DELETED' || nodeNameOf(object)) return;
    const { namespace, name } = object.metadata;
    const pod = this.#store.find('pods', { namespace, name: name! });
    // What the event tells may be past: the pod is judged as it is now.
    if (!pod || nodeNameOf(pod) || pod.metadata.deletionTimestamp !== undefined) return;
    const node = this.#leastLoaded();
    if (node) this.#store.bind({ namespace, name: name! }, node);
  }

  #leastLoaded(): string | undefined {
    const load = new Map(this.#store.list('nodes').items.map((node) => [node.metadata.name!, 0]));
    for (const pod of this.#store.list('pods').items) {
      const node = nodeNameOf(pod);
      if (node !== undefined && load.has(node)) load.set(node, load.get(node)! + 1);
    }
    return [...load].reduce<[string, number] | undefined>(
      (best, each) => (best && best[1] <= each[1] ? best : each),
      undefined,
    )?.[0];
  }
}
