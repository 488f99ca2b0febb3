import type { Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';
import { canonicalNamespaces, matchesSelector } from '../model/selection.ts';
import type { NamespaceIndex, Scope } from './namespace-index.ts';
import { sizeOfAll } from '../lib/table-size.ts';
import { podTokens, selectionTokens, type Token } from './tokens.ts';

/** Selections by scope and token: finds the selections that match a pod without a scan. */
export class SelectionIndex {
  readonly #namespaces: NamespaceIndex;
  readonly #selections = new Map<string, Selection>();
  readonly #buckets = new Map<Scope, Map<Token, Set<string>>>();
  /** Selections visited so far. Tests count visits instead of time. */
  visits = 0;

  constructor(namespaces: NamespaceIndex) {
    this.#namespaces = namespaces;
  }

  add(id: string, selection: Selection): void {
    this.#selections.set(id, selection);
    const scope = this.#namespaces.retain(selection);
    let buckets = this.#buckets.get(scope);
    if (!buckets) this.#buckets.set(scope, (buckets = new Map()));
    for (const token of selectionTokens(selection)) {
      const bucket = buckets.get(token);
      if (bucket) bucket.add(id);
      else buckets.set(token, new Set([id]));
    }
  }

  remove(id: string): void {
    const selection = this.#selections.get(id);
    if (!selection) return;
    this.#selections.delete(id);
    const scope = canonicalNamespaces(selection.namespaces);
    const buckets = this.#buckets.get(scope);
    for (const token of selectionTokens(selection)) {
      const bucket = buckets?.get(token);
      if (bucket?.delete(id) && bucket.size === 0) buckets!.delete(token);
    }
    if (buckets?.size === 0) this.#buckets.delete(scope);
    this.#namespaces.release(selection);
  }

  get size(): number {
    return this.#selections.size + sizeOfAll(this.#buckets.values().flatMap((buckets) => buckets.values()));
  }

  matching(pod: Pod): Set<string> {
    const ids = new Set<string>();
    const tokens = podTokens(pod);
    for (const scope of this.#namespaces.scopesOf(pod.namespace)) {
      const buckets = this.#buckets.get(scope);
      if (!buckets) continue;
      for (const token of tokens) {
        for (const id of buckets.get(token) ?? []) {
          this.visits++;
          if (matchesSelector(this.#selections.get(id)!.pods, pod.labels)) ids.add(id);
        }
      }
    }
    return ids;
  }
}
