import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { portSetText } from '../../src/compile/port-set.ts';
import { cutOverlaps, type Rectangle } from '../../src/compile/rectangles.ts';
import { addressBits, families } from '../../src/model/address.ts';

/** At the upper end of the space of each family, where a border is one beyond it. */
const size = 12;
const rectangles = fc.constantFrom(...families).chain((family) => {
  const base = (1n << BigInt(addressBits[family])) - BigInt(size);
  const rectangle = fc
    .record({ a: fc.nat(size - 1), b: fc.nat(size - 1), port: fc.nat(8), length: fc.nat(3) })
    .map(({ a, b, port, length }): Rectangle => ({
      range: { family, first: base + BigInt(Math.min(a, b)), last: base + BigInt(Math.max(a, b)) },
      ports: [{ protocol: port % 2 === 0 ? 'TCP' : 'UDP', first: port, last: port + length }],
    }));
  return fc.record({ base: fc.constant(base), all: fc.array(rectangle, { maxLength: 7 }) });
});

function covering(all: readonly Rectangle[], address: bigint, protocol: string, port: number): Rectangle[] {
  return all.filter(
    ({ range, ports }) =>
      range.first <= address &&
      address <= range.last &&
      ports.some((each) => each.protocol === protocol && each.first <= port && port <= each.last),
  );
}

const text = (all: readonly Rectangle[]): string =>
  all.map(({ range, ports }) => `${range.first}-${range.last} ${portSetText(ports)}`).join('\n');

describe('cutOverlaps', () => {
  it('covers the same area, each point once, in one way only whatever the order', () =>
    fc.assert(
      fc.property(rectangles, ({ base, all }) => {
        const pieces = cutOverlaps(all);
        for (let i = 0n; i < BigInt(size); i++) {
          for (const protocol of ['TCP', 'UDP']) {
            for (let port = 0; port < 13; port++) {
              const expected = covering(all, base + i, protocol, port).length > 0 ? 1 : 0;
              assert.equal(covering(pieces, base + i, protocol, port).length, expected, `${i} ${protocol}/${port}`);
            }
          }
        }
        assert.equal(text(cutOverlaps(all.toReversed())), text(pieces));
        assert.equal(text(cutOverlaps(pieces)), text(pieces));
      }),
      { numRuns: 500 },
    ));

  it('joins neighbours with equal ports', () => {
    const block = (first: bigint, last: bigint): Rectangle => ({
      range: { family: 'ipv4', first, last },
      ports: [{ protocol: 'TCP', first: 80, last: 80 }],
    });
    assert.equal(cutOverlaps([block(4n, 7n), block(0n, 3n)]).length, 1);
    assert.equal(cutOverlaps([block(5n, 7n), block(0n, 3n)]).length, 2);
  });
});
