import { containsAddress } from '../model/address.ts';
import type { Address, AddressRange, Family } from '../model/address.ts';

/**
 * Tells which of many blocks contain an address. The ends of the blocks cut the address space into intervals, and all addresses of one
 * interval are in the same blocks. So the blocks are compared once for each interval that has an address, not for each address.
 */
export class BlockSets {
  readonly #blocks: readonly AddressRange[];
  /** First addresses of the intervals, ascending. Addresses below the first one are in no block. */
  readonly #starts: readonly bigint[];
  readonly #known = new Map<number, string>();

  constructor(blocks: readonly AddressRange[], family: Family) {
    this.#blocks = blocks.filter((block) => block.family === family);
    const starts = new Set(this.#blocks.flatMap(({ first, last }) => [first, last + 1n]));
    this.#starts = [...starts].sort((a, b) => (a < b ? -1 : 1));
  }

  /** Equal texts mean the same blocks. The address must be of the family. */
  at(address: Address): string {
    const interval = this.#intervalOf(address.value);
    let found = this.#known.get(interval);
    if (found === undefined) {
      found = this.#blocks.flatMap((block, index) => (containsAddress(block, address) ? [index] : [])).join();
      this.#known.set(interval, found);
    }
    return found;
  }

  /** The number of intervals that start at or below the value. */
  #intervalOf(value: bigint): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
