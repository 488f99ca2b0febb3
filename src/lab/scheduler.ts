import type { ApiObject } from './api/object.ts';
import type { ClusterApi, ClusterEvent } from './cluster-api.ts';
import { messageOf } from '../lib/message-of.ts';
import { nodeNameOf, objectKey, podKey } from './pod-spec.ts';
import { Reconciler } from './reconciler.ts';

/** Binds pods without a node to the lab's node with the fewest pods. */
export class Scheduler {
  readonly #cluster: ClusterApi;
  readonly #nodes: ReadonlySet<string>;
  readonly #reconciler: Reconciler;
  /** Bindings without an event so far: node by uid of the pod. */
  readonly #assumed = new Map<string, string>();

  constructor(cluster: ClusterApi, nodes: readonly string[], log: (message: string) => void) {
    this.#cluster = cluster;
    this.#nodes = new Set(nodes);
    this.#reconciler = new Reconciler({
      reconcile: (key) => this.#schedule(key),
      onError: (key, error) => log(`scheduling ${key}: ${messageOf(error)}`),
      // One at a time, so that each choice counts the bindings before it.
      concurrency: 1,
    });
  }

  onEvent({ resource, type, object }: ClusterEvent): void {
    // A new node may take waiting pods.
    if (resource === 'nodes' && type === 'ADDED') for (const pod of this.#cluster.known('pods')) this.#add(pod);
    if (resource !== 'pods') return;
    if (type === 'DELETED' || nodeNameOf(object)) this.#assumed.delete(object.metadata.uid!);
    else this.#add(object);
  }

  idle(): Promise<void> {
    return this.#reconciler.idle();
  }

  stop(): Promise<void> {
    return this.#reconciler.stop();
  }

  #add(pod: ApiObject): void {
    if (!nodeNameOf(pod)) this.#reconciler.add(podKey(pod));
  }

  async #schedule(key: string): Promise<void> {
    // The event may be stale: reads the current pod.
    const pod = this.#cluster.find('pods', objectKey(key));
    if (!pod || nodeNameOf(pod) || pod.metadata.deletionTimestamp !== undefined) return;
    const { uid } = pod.metadata;
    const node = this.#leastLoaded();
    if (node === undefined || this.#assumed.has(uid!)) return;
    this.#assumed.set(uid!, node);
    try {
      await this.#cluster.bindPod(pod, node);
    } catch (error) {
      this.#assumed.delete(uid!);
      throw error;
    }
  }

  #leastLoaded(): string | undefined {
    const names = this.#cluster.known('nodes').map(({ metadata }) => metadata.name!);
    const load = new Map(names.filter((name) => this.#nodes.has(name)).map((name) => [name, 0]));
    for (const pod of this.#cluster.known('pods')) {
      const node = nodeNameOf(pod) ?? this.#assumed.get(pod.metadata.uid!);
      if (node !== undefined && load.has(node)) load.set(node, load.get(node)! + 1);
    }
    return [...load].reduce<[string, number] | undefined>(
      (best, each) => (best && best[1] <= each[1] ? best : each),
      undefined,
    )?.[0];
  }
}
