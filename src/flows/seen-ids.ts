/** Bits of each bitmap: 512 KB. With 262,144 connections, the kernel's usual limit, 1.4 % of the new ones look as if they had been seen. */
const defaultBits = 22;

/**
 * Remembers which connections the last look and this look have met, by two places for each in a bitmap (a Bloom filter): the memory does not grow with the
 * connections, and some new ones are taken for known ones.
 */
export class SeenIds {
  readonly #bits: number;
  #before: Uint32Array;
  #now: Uint32Array;

  constructor(bits = defaultBits) {
    this.#bits = bits;
    this.#before = new Uint32Array(2 ** (bits - 5));
    this.#now = new Uint32Array(2 ** (bits - 5));
  }

  /** Whether neither this look nor the one before has met the id, a number of 32 bits. */
  isNew(id: number): boolean {
    // The kernel's ids are hashes, so any of their bits will do.
    const first = id & (2 ** this.#bits - 1);
    const second = Math.imul(id, 2_654_435_769) >>> (32 - this.#bits);
    const [word, bit] = [first >>> 5, 1 << (first & 31)];
    const [otherWord, otherBit] = [second >>> 5, 1 << (second & 31)];
    const isIn = (bitmap: Uint32Array): boolean => (bitmap[word]! & bit) !== 0 && (bitmap[otherWord]! & otherBit) !== 0;
    const isSeen = isIn(this.#before) || isIn(this.#now);
    this.#now[word]! |= bit;
    this.#now[otherWord]! |= otherBit;
    return !isSeen;
  }

  /** A look has ended. */
  turn(): void {
    [this.#before, this.#now] = [this.#now, this.#before];
    this.#now.fill(0);
  }
}
