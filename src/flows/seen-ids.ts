/** Bits of each bitmap: 512 KB. With 262,144 connections, the kernel's usual limit, 6 % of the new ones look as if they had been seen. */
const defaultBits = 22;

/**
 * Remembers which connections the last look and this look have met. The kernel's ids are hashes, so their last bits are the place in a bitmap: the memory does not
 * grow with the connections, and some new ones are taken for known ones.
 */
export class SeenIds {
  readonly #mask: number;
  #before: Uint32Array;
  #now: Uint32Array;

  constructor(bits = defaultBits) {
    this.#mask = 2 ** bits - 1;
    this.#before = new Uint32Array(2 ** (bits - 5));
    this.#now = new Uint32Array(2 ** (bits - 5));
  }

  /** Whether neither this look nor the one before has met the id, a number of 32 bits. */
  isNew(id: number): boolean {
    const place = id & this.#mask;
    const [word, bit] = [place >>> 5, 1 << (place & 31)];
    const isSeen = ((this.#before[word]! | this.#now[word]!) & bit) !== 0;
    this.#now[word]! |= bit;
    return !isSeen;
  }

  /** A look has ended. */
  turn(): void {
    [this.#before, this.#now] = [this.#now, this.#before];
    this.#now.fill(0);
  }
}
