/** A map that counts its changes: with the same revision it holds the same. */
export class RevisedMap<K, V> extends Map<K, V> {
  revision = 0;

  override set(key: K, value: V): this {
    if (this.get(key) !== value || !this.has(key)) this.revision++;
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    const isGone = super.delete(key);
    if (isGone) this.revision++;
    return isGone;
  }
}
