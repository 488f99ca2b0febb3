import { equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { BlockSets } from '../../src/impact/block-sets.ts';
import { containsAddress, families } from '../../src/model/address.ts';
import type { Address, AddressRange } from '../../src/model/address.ts';

const family = fc.constantFrom(...families);
/** Few values, so that blocks nest, touch and repeat. */
const value = fc.bigInt({ min: 0n, max: 20n });
const block = fc.record({ family, first: value, size: value }).map(({ size, ...each }): AddressRange => {
  return { ...each, last: each.first + size };
});

describe('BlockSets', () => {
  it('tells two addresses apart exactly if a block contains one of them', () => {
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 8 }),
        family,
        fc.array(value, { maxLength: 12 }),
        (blocks, of, values) => {
          const sets = new BlockSets(blocks, of);
          const addresses = values.map((each): Address => ({ family: of, value: each }));
          const slow = (address: Address): string => blocks.map((each) => containsAddress(each, address)).join();
          for (const a of addresses) for (const b of addresses) equal(sets.at(a) === sets.at(b), slow(a) === slow(b));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('compares the blocks once for each interval that has an address, not once for each address', () => {
    let compared = 0;
    const blocks = Array.from({ length: 100 }, (_, index): AddressRange => {
      const first = BigInt(index) * 1000n;
      return {
        family: 'ipv4',
        first,
        get last() {
          compared++;
          return first + 9n;
        },
      };
    });
    const sets = new BlockSets(blocks, 'ipv4');
    const built = compared;
    for (let at = 0n; at < 1000n; at++) sets.at({ family: 'ipv4', value: at });
    // The addresses are in two intervals. An address beyond the last block is a third.
    ok(compared - built <= 200, `${compared - built} comparisons`);
  });
});
