/** By key, its value before a change; `undefined`: the key was missing. */
type Before<Key, Value> = ReadonlyMap<Key, Value | undefined>;

/** So many changes share a store, or as many as it has keys if that is more. It bounds the memory that an old version holds. */
const fewChanges = 64;

/**
 * A version of a large table that is never changed: a change makes another version. Versions share one store. The newest version holds it, and each
 * older version knows the next one and the keys that differ there. So a change costs as much as the keys that it changes, and the
 * difference of two versions is known. After as many changed keys as the store has, a version gets a copy, and its difference from older ones is unknown.
 *
 * A newer version does not refer to an older one, so an old version and its differences last only as long as someone holds the version.
 */
export abstract class Version<Key, Value, Store extends { readonly size: number }> {
  /** Missing while a newer version holds it. Not a `#` field, so that tests that compare objects compare it. */
  private store: Store | undefined;
  /** Keys that versions with the same store have changed. */
  #changes = 0;
  #next: { readonly version: Version<Key, Value, Store>; readonly before: Before<Key, Value> } | undefined;

  protected constructor(store: Store) {
    this.store = store;
  }

  protected abstract make(store: Store): this;
  protected abstract copyOf(store: Store): Store;
  protected abstract read(store: Store, key: Key): Value | undefined;
  protected abstract write(store: Store, key: Key, value: Value | undefined): void;

  protected valueOf(key: Key): Value | undefined {
    if (this.store !== undefined) return this.read(this.store, key);
    let next = this.#next!;
    while (!next.before.has(key)) {
      const { store } = next.version;
      if (store !== undefined) return this.read(store, key);
      next = next.version.#next!;
    }
    return next.before.get(key);
  }

  /** The whole content. An older version makes a store of its own for it. */
  protected get content(): Store {
    if (this.store !== undefined) return this.store;
    let next = this.#next!;
    const steps = [next.before];
    for (; next.version.store === undefined; steps.push(next.before)) next = next.version.#next!;
    const store = this.copyOf(next.version.store);
    for (const before of steps.reverse()) for (const [key, value] of before) this.write(store, key, value);
    return (this.store = store);
  }

  /**
   * Returns the next version, or this one if nothing changes.
   * @param changes new values, each key once; `undefined` removes the key
   */
  protected change(changes: Iterable<readonly [Key, Value | undefined]>): this {
    const before = new Map<Key, Value | undefined>();
    const changed: (readonly [Key, Value | undefined])[] = [];
    for (const each of changes) {
      const known = this.valueOf(each[0]);
      if (known === each[1]) continue;
      before.set(each[0], known);
      changed.push(each);
    }
    if (changed.length === 0) return this;
    const content = this.content;
    const isShared = this.#next === undefined && this.#changes <= Math.max(fewChanges, content.size);
    const store = isShared ? content : this.copyOf(content);
    for (const [key, value] of changed) this.write(store, key, value);
    const version = this.make(store);
    if (isShared) {
      version.#changes = this.#changes + before.size;
      this.#next = { version, before };
      this.store = undefined;
    }
    return version;
  }

  /** The keys that changes between this version and a later one have touched; `undefined` if the other is no later version. */
  protected touchedUntil(later: unknown): IteratorObject<Key> | undefined {
    if (later === this) return [].values();
    const steps: Before<Key, Value>[] = [];
    for (let next = this.#next; next; next = next.version.#next) {
      steps.push(next.before);
      if (next.version !== later) continue;
      return steps.length === 1 ? next.before.keys() : new Set(steps.flatMap((before) => [...before.keys()])).values();
    }
    return undefined;
  }
}
