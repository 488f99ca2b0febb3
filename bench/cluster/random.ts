/** Seeded random numbers (Mulberry32), the same on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return Math.floor((this.bits() / 2 ** 32) * limit);
  }

  chance(share: number): boolean {
    return this.bits() < share * 2 ** 32;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Different items, unordered; all items if there are fewer than `count`. */
  several<Item>(items: readonly Item[], count: number): Item[] {
    const left = [...items];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(this.below(left.length), 1)[0]!);
  }

  /** Hexadecimal digits, at most eight. */
  hex(digits: number): string {
    return this.bits().toString(16).padStart(8, '0').slice(0, digits);
  }

  uid(): string {
    const [a, b] = [this.hex(8), this.hex(8)];
    return `${a}-${b.slice(0, 4)}-4${b.slice(4, 7)}-8${this.hex(3)}-${this.hex(8)}${this.hex(4)}`;
  }
}
