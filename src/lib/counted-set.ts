/** A set with reference counts: it holds each value that was added more often than removed. */
export class CountedSet<T> {
  readonly #counts = new Map<T, number>();

  add(value: T): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
  }

  remove(value: T): void {
    const count = (this.#counts.get(value) ?? 0) - 1;
    if (count > 0) this.#counts.set(value, count);
    else this.#counts.delete(value);
  }

  values(): Iterable<T> {
    return this.#counts.keys();
  }

  has(value: T): boolean {
    return this.#counts.has(value);
  }

  get size(): number {
    return this.#counts.size;
  }
}
