import type { Pod } from './party.ts';
import type { Policy } from './policy.ts';
import { selects } from './selector.ts';
import type { Labels } from './selector.ts';

/** Finds the policies that select a pod. It asks only policies of the pod's namespace and of the cluster, and each of them once. */
export class PolicyIndex {
  /** In the order in which they were read. */
  readonly all: readonly Policy[];
  readonly #ofNamespace: ReadonlyMap<string, readonly Policy[]>;
  readonly #labels: ReadonlyMap<string, Labels>;
  readonly #ofPod = new Map<Pod, readonly Policy[]>();

  /** @param labels of the namespaces that exist */
  constructor(all: readonly Policy[], labels: ReadonlyMap<string, Labels>) {
    this.all = all;
    this.#labels = labels;
    this.#ofNamespace = Map.groupBy(all, ({ namespace }) => namespace);
  }

  /** Policies that select at least one of the pods, in order. `owners` has several pods only if they claim one address (S1.10). */
  selecting(owners: readonly Pod[]): readonly Policy[] {
    const [first] = owners;
    if (!first) return [];
    if (owners.length === 1) return this.#selectingOne(first);
    const found = new Set(owners.flatMap((pod) => this.#selectingOne(pod)));
    return this.all.filter((policy) => found.has(policy));
  }

  /** S1.1: a NetworkPolicy selects pods of its own namespace only. An invalid part of a selector counts as true (S9.7). */
  #selectingOne(pod: Pod): readonly Policy[] {
    let found = this.#ofPod.get(pod);
    if (!found) {
      const labels = this.#labels.get(pod.namespace);
      const ofCluster = (this.#ofNamespace.get('') ?? []).filter(
        ({ namespaceSelector }) => labels && namespaceSelector && selects(namespaceSelector, labels),
      );
      const ofNamespace = pod.namespace === '' ? [] : (this.#ofNamespace.get(pod.namespace) ?? []);
      found = [...ofNamespace, ...ofCluster].filter(({ podSelector }) => selects(podSelector, pod.labels));
      this.#ofPod.set(pod, found);
    }
    return found;
  }
}
