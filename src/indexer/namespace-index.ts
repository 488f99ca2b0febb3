import type { Namespace } from '../model/cluster.ts';
import type { Selection, Selector } from '../model/policy.ts';
import { canonicalNamespaces, matchesSelector } from '../model/selection.ts';
import { sizeOfAll } from '../lib/table-size.ts';

/** The namespaces of a selection: all, one by name, or those that a selector matches. Equal selectors are one scope. */
export type Scope = string;

/** Maps scopes to namespaces, and namespaces to scopes. */
export class NamespaceIndex {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #scopes = new Map<Scope, { selector: Selector; users: number; namespaces: Set<string> }>();
  readonly #scopesOf = new Map<string, Set<Scope>>();

  get(name: string): Namespace | undefined {
    return this.#namespaces.get(name);
  }

  /** Counts a user of the selection's scope, and returns it. */
  retain({ namespaces }: Selection): Scope {
    const scope = canonicalNamespaces(namespaces);
    if (namespaces === 'all' || 'name' in namespaces) return scope;
    const known = this.#scopes.get(scope);
    if (known) known.users++;
    else this.#addScope(scope, namespaces.selector);
    return scope;
  }

  release({ namespaces }: Selection): void {
    const scope = canonicalNamespaces(namespaces);
    const known = this.#scopes.get(scope);
    if (!known || --known.users > 0) return;
    this.#scopes.delete(scope);
    for (const name of known.namespaces) this.#scopesOf.get(name)?.delete(scope);
  }

  /** Namespaces of a retained selection. `all` includes namespaces whose object is unknown. */
  namespacesOf({ namespaces }: Selection): Iterable<string> | 'all' {
    if (namespaces === 'all') return 'all';
    if ('name' in namespaces) return [namespaces.name];
    return this.#scopes.get(canonicalNamespaces(namespaces))?.namespaces ?? [];
  }

  get count(): number {
    return this.#namespaces.size;
  }

  /** Like `namespacesOf`, for any selection. Scans all namespaces if the scope is not retained. */
  scan(selection: Selection): Iterable<string> | 'all' {
    const { namespaces } = selection;
    if (namespaces === 'all' || 'name' in namespaces || this.#scopes.has(canonicalNamespaces(namespaces)))
      return this.namespacesOf(selection);
    return this.#namespaces
      .values()
      .filter(({ labels }) => matchesSelector(namespaces.selector, labels))
      .map(({ name }) => name);
  }

  /** A namespace whose object is unknown is in no selector's scope, not even in the empty selector's (S3.4). */
  scopesOf(namespace: string): Scope[] {
    return ['all', canonicalNamespaces({ name: namespace }), ...(this.#scopesOf.get(namespace) ?? [])];
  }

  /** Returns whether any scope gained or lost the namespace. */
  set(name: string, namespace: Namespace | undefined): boolean {
    if (namespace) this.#namespaces.set(name, namespace);
    else this.#namespaces.delete(name);
    let changed = false;
    const scopes = new Set<Scope>();
    for (const [scope, { selector, namespaces }] of this.#scopes) {
      const matches = namespace !== undefined && matchesSelector(selector, namespace.labels);
      if (matches) scopes.add(scope);
      if (matches === namespaces.has(name)) continue;
      changed = true;
      if (matches) namespaces.add(name);
      else namespaces.delete(name);
    }
    if (namespace) this.#scopesOf.set(name, scopes);
    else this.#scopesOf.delete(name);
    return changed;
  }

  get size(): number {
    return this.#namespaces.size + this.#scopes.size + sizeOfAll(this.#scopesOf.values());
  }

  #addScope(scope: Scope, selector: Selector): void {
    const namespaces = new Set<string>();
    for (const namespace of this.#namespaces.values()) {
      if (!matchesSelector(selector, namespace.labels)) continue;
      namespaces.add(namespace.name);
      this.#scopesOf.get(namespace.name)!.add(scope);
    }
    this.#scopes.set(scope, { selector, users: 1, namespaces });
  }
}
