import type { Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';
import { canonicalNamespaces, matchesSelector } from '../model/selection.ts';
import type { NamespaceIndex } from './namespace-index.ts';
import { sizeOfAll } from './table-size.ts';
import { podTokens, selectionTokens } from './tokens.ts';

/** Selections by scope and token: pod -> the selections that match it, without a scan. */
export class SelectionIndex {
  readonly #namespaces: NamespaceIndex;
  readonly #selections = new Map<string, Selection>();
  readonly #buckets = new Map<string, Set<string>>();
  /** Selections looked at so far: what tests count instead of time. */
  visits = 0;

  constructor(namespaces: NamespaceIndex) {
    this.#namespaces = namespaces;
  }

  add(id: string, selection: Selection): void {
    this.#selections.set(id, selection);
    const scope = this.#namespaces.retain(selection);
    for (const token of selectionTokens(selection)) {
      const bucket = this.#buckets.get(bucketKey(scope, token));
      if (bucket) bucket.add(id);
      else this.#buckets.set(bucketKey(scope, token), new Set([id]));
    }
  }

  remove(id: string): void {
    const selection = this.#selections.get(id);
    if (!selection) return;
    this.#selections.delete(id);
    const scope = canonicalNamespaces(selection.namespaces);
    for (const token of selectionTokens(selection)) {
      const key = bucketKey(scope, token);
      const bucket = this.#buckets.get(key);
      if (bucket?.delete(id) && bucket.size === 0) this.#buckets.delete(key);
    }
    this.#namespaces.release(selection);
  }

  get size(): number {
    return this.#selections.size + sizeOfAll(this.#buckets.values());
  }

  matching(pod: Pod): Set<string> {
    const ids = new Set<string>();
    const tokens = podTokens(pod);
    for (const scope of this.#namespaces.scopesOf(pod.namespace)) {
      for (const token of tokens) {
        for (const id of this.#buckets.get(bucketKey(scope, token)) ?? []) {
          this.visits++;
          if (matchesSelector(this.#selections.get(id)!.pods, pod.labels)) ids.add(id);
        }
      }
    }
    return ids;
  }
}

/** NUL is in no namespace name, label or port name. */
function bucketKey(scope: string, token: string): string {
  return `${scope}\0${token}`;
}
