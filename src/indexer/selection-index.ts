import type { Labels, Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';
import { canonicalNamespaces, matchesSelector } from '../model/selection.ts';
import type { NamespaceIndex, Scope } from './namespace-index.ts';
import { CountedSet } from '../lib/counted-set.ts';
import { sizeOfAll } from '../lib/table-size.ts';
import { podTokens, selectionTokens, type Token } from './tokens.ts';

/** Selections by scope and token: finds the selections that match a pod without a scan. */
export class SelectionIndex {
  readonly #namespaces: NamespaceIndex;
  readonly #selections = new Map<string, Selection>();
  readonly #buckets = new Map<Scope, Map<Token, Set<string>>>();
  /** The label keys of pods that selections look at. */
  readonly #labelKeys = new CountedSet<string>();
  /** Selections visited so far. Tests count visits instead of time. */
  visits = 0;

  constructor(namespaces: NamespaceIndex) {
    this.#namespaces = namespaces;
  }

  add(id: string, selection: Selection): void {
    this.#selections.set(id, selection);
    for (const { key } of selection.pods) this.#labelKeys.add(key);
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
    for (const { key } of selection.pods) this.#labelKeys.remove(key);
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
    return (
      this.#selections.size +
      this.#labelKeys.size +
      sizeOfAll(this.#buckets.values().flatMap((buckets) => buckets.values()))
    );
  }

  /** Whether a selection looks at a label that differs. If not, the same selections match both versions of a pod with the same ports. */
  looksAtChange(before: Labels, after: Labels): boolean {
    for (const key in before) if (before[key] !== after[key] && this.#labelKeys.has(key)) return true;
    for (const key in after) if (before[key] !== after[key] && this.#labelKeys.has(key)) return true;
    return false;
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
