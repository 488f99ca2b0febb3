import type { Namespace } from '../model/cluster.ts';
import type { Selection, Selector } from '../model/policy.ts';
import { canonicalSelector, matchesSelector } from '../model/selection.ts';

/** Where a selection looks: one namespace by name, or all that a selector matches. Equal selectors are one scope. */
export type Scope = string;

/** Which namespaces each scope holds, and which scopes hold each namespace. */
export class NamespaceIndex {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #scopes = new Map<Scope, { selector: Selector; users: number; namespaces: Set<string> }>();
  readonly #scopesOf = new Map<string, Set<Scope>>();

  /** Counts a user of the selection's scope, and returns it. */
  retain(selection: Selection): Scope {
    const scope = scopeOf(selection);
    if ('name' in selection.namespaces) return scope;
    const known = this.#scopes.get(scope);
    if (known) known.users++;
    else this.#addScope(scope, selection.namespaces.selector);
    return scope;
  }

  release(selection: Selection): void {
    const scope = scopeOf(selection);
    const known = this.#scopes.get(scope);
    if (!known || --known.users > 0) return;
    this.#scopes.delete(scope);
    for (const name of known.namespaces) this.#scopesOf.get(name)?.delete(scope);
  }

  /** Namespaces of a selection that has been retained. */
  namespacesOf(selection: Selection): Iterable<string> {
    if ('name' in selection.namespaces) return [selection.namespaces.name];
    return this.#scopes.get(scopeOf(selection))?.namespaces ?? [];
  }

  /** A namespace that is not in the cache is in no selector's scope, not even the empty one's (S3.4). */
  scopesOf(namespace: string): Scope[] {
    return [nameScope(namespace), ...(this.#scopesOf.get(namespace) ?? [])];
  }

  /** Says whether any scope gained or lost the namespace. */
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

function scopeOf({ namespaces }: Selection): Scope {
  return 'name' in namespaces ? nameScope(namespaces.name) : `labels ${canonicalSelector(namespaces.selector)}`;
}

function nameScope(name: string): Scope {
  return `name ${name}`;
}
