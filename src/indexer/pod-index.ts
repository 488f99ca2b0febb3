import type { Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';
import { matchesSelector } from '../model/selection.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { NamespaceIndex } from './namespace-index.ts';
import { sizeOfAll } from '../lib/table-size.ts';
import { everyPod, podTokens, selectionTokens, type Token } from './tokens.ts';

/** Pods by namespace and token: finds the pods of a selection without a scan. */
export class PodIndex {
  readonly #byNamespace = new Map<string, Map<Token, Map<PodKey, Pod>>>();
  /** Pods visited so far. Tests count visits instead of time. */
  visits = 0;

  add(key: PodKey, pod: Pod): void {
    let tokens = this.#byNamespace.get(pod.namespace);
    if (!tokens) this.#byNamespace.set(pod.namespace, (tokens = new Map()));
    for (const token of podTokens(pod)) {
      const bucket = tokens.get(token);
      if (bucket) bucket.set(key, pod);
      else tokens.set(token, new Map([[key, pod]]));
    }
  }

  /** Adds the pod (no `before`), removes it (no `after`), or replaces its object. A Map with many deletions is copied again and again, so a token that stays is not deleted. */
  replace(key: PodKey, before: Pod | undefined, after: Pod | undefined): void {
    if (before) this.#remove(key, before, after ? podTokens(after) : []);
    if (after) this.add(key, after);
  }

  remove(key: PodKey, pod: Pod): void {
    this.#remove(key, pod, []);
  }

  #remove(key: PodKey, pod: Pod, kept: readonly Token[]): void {
    const tokens = this.#byNamespace.get(pod.namespace);
    if (!tokens?.get(everyPod)?.has(key)) return;
    for (const token of podTokens(pod)) {
      if (kept.includes(token)) continue;
      const bucket = tokens.get(token);
      if (bucket?.delete(key) && bucket.size === 0) tokens.delete(token);
    }
    if (tokens.size === 0) this.#byNamespace.delete(pod.namespace);
  }

  has(key: PodKey, { namespace }: Pod): boolean {
    return this.#byNamespace.get(namespace)?.get(everyPod)?.has(key) ?? false;
  }

  get size(): number {
    return this.#byNamespace.size + sizeOfAll(this.#byNamespace.values().flatMap((tokens) => tokens.values()));
  }

  inNamespace(namespace: string): ReadonlyMap<PodKey, Pod> {
    return this.#byNamespace.get(namespace)?.get(everyPod) ?? new Map();
  }

  /** The pods whose Namespace object is not known. */
  *inUnknownNamespaces(namespaces: NamespaceIndex): Generator<readonly [PodKey, Pod]> {
    for (const name of this.#byNamespace.keys()) if (!namespaces.get(name)) yield* this.inNamespace(name);
  }

  /** Upper bound for the pods that `find` visits, plus an eighth of its lookups in namespaces, which are cheaper. */
  estimate(selection: Selection, namespaces: NamespaceIndex): number {
    const tokens = selectionTokens(selection);
    const names = namespaces.scan(selection);
    let cost = 1;
    let looks = typeof selection.namespaces === 'object' && 'selector' in selection.namespaces ? namespaces.count : 0;
    for (const namespace of names === 'all' ? this.#byNamespace.keys() : names) {
      const buckets = this.#byNamespace.get(namespace);
      looks += tokens.length;
      for (const token of tokens) cost += buckets?.get(token)?.size ?? 0;
    }
    return cost + (looks >> 3);
  }

  /** `namespaces` must have retained the selection. */
  *find(selection: Selection, namespaces: NamespaceIndex): Generator<[PodKey, Pod]> {
    const tokens = selectionTokens(selection);
    const names = namespaces.namespacesOf(selection);
    for (const namespace of names === 'all' ? this.#byNamespace.keys() : names) {
      const buckets = this.#byNamespace.get(namespace);
      for (const token of tokens) {
        for (const entry of buckets?.get(token) ?? []) {
          this.visits++;
          if (matchesSelector(selection.pods, entry[1].labels)) yield entry;
        }
      }
    }
  }
}
