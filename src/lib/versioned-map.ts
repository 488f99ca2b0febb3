import { Version } from './version.ts';

/** A map that is never changed, of which a changed version costs as much as the entries that it changes. No value may be `undefined`. */
export class VersionedMap<Key, Value> extends Version<Key, Value, Map<Key, Value>> implements ReadonlyMap<Key, Value> {
  readonly size: number;

  /** @param entries belongs to this object from now on */
  constructor(entries: Map<Key, Value>) {
    super(entries);
    this.size = entries.size;
  }

  /** Returns the map with these entries instead of those with the same keys. */
  with(entries: Iterable<readonly [Key, Value]>): VersionedMap<Key, Value> {
    return this.change(entries);
  }

  /** The keys whose values may differ in the other map; `undefined` if it is no later version of this one. */
  keysChangedIn(later: ReadonlyMap<Key, Value>): IteratorObject<Key> | undefined {
    return this.touchedUntil(later);
  }

  get(key: Key): Value | undefined {
    return this.valueOf(key);
  }

  has(key: Key): boolean {
    return this.valueOf(key) !== undefined;
  }

  entries(): MapIterator<[Key, Value]> {
    return this.content.entries();
  }

  keys(): MapIterator<Key> {
    return this.content.keys();
  }

  values(): MapIterator<Value> {
    return this.content.values();
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.content.entries();
  }

  forEach(each: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.content) each(value, key, this);
  }

  protected override make(store: Map<Key, Value>): this {
    return new VersionedMap(store) as this;
  }

  protected override copyOf(store: Map<Key, Value>): Map<Key, Value> {
    return new Map(store);
  }

  protected override read(store: Map<Key, Value>, key: Key): Value | undefined {
    return store.get(key);
  }

  protected override write(store: Map<Key, Value>, key: Key, value: Value | undefined): void {
    if (value === undefined) store.delete(key);
    else store.set(key, value);
  }
}
