import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { readElement } from '../../src/nftables/component.ts';
import { findElement, findOverlap } from '../../src/nftables/element-index.ts';
import type { NftSet } from '../../src/nftables/ruleset.ts';
import { disjoint, element, header, overlap } from './random-element.ts';

describe('the element that a key falls in', () => {
  const cases = header.chain(({ key, interval }) =>
    fc.record({
      set: fc
        .array(element(key, interval), { maxLength: 40 })
        .map((elements): NftSet => ({ name: 's', key, interval, elements: new Set(disjoint(key, elements)) })),
      point: element(key, false),
      area: element(key, interval),
    }),
  );

  it('is the one that contains it in every component', () => {
    let found = 0;
    fc.assert(
      fc.property(cases, ({ set, point }) => {
        const expected = [...set.elements].find((each) => overlap(set.key, each, point));
        assert.equal(findElement(set, point.split(' . ')), expected);
        if (expected !== undefined) found++;
      }),
      { numRuns: 2000 },
    );
    assert.ok(found > 100);
  });

  it('overlaps are found with anything but itself', () => {
    fc.assert(
      fc.property(cases, ({ set, area }) => {
        if (!set.interval) return;
        const expected = [...set.elements].filter((each) => each !== area && overlap(set.key, each, area));
        const found = findOverlap(set, area);
        assert.ok(found === undefined ? expected.length === 0 : expected.includes(found));
      }),
      { numRuns: 2000 },
    );
  });

  it('is found in a large set with a block over all others', () => {
    const elements = new Set<string>(['0.0.0.0-255.255.255.255 . udp . 53']);
    for (let i = 0; i < 5000; i++)
      elements.add(`10.${i >> 8}.${i & 255}.0-10.${i >> 8}.${i & 255}.255 . tcp . ${1 + (i % 100)}`);
    const set: NftSet = { name: 's', key: ['ipv4_addr', 'inet_proto', 'inet_service'], interval: true, elements };
    assert.equal(findElement(set, ['10.3.7.9', 'tcp', String(1 + (775 % 100))]), '10.3.7.0-10.3.7.255 . tcp . 76');
    assert.equal(findElement(set, ['10.3.7.9', 'udp', '53']), '0.0.0.0-255.255.255.255 . udp . 53');
    assert.equal(findElement(set, ['10.200.7.9', 'tcp', '76']), undefined);
  });
});

describe('the text of a component', () => {
  for (const [element, first, last] of [
    ['10.0.0.0/8', 0x0a00_0000n, 0x0aff_ffffn],
    ['10.0.0.9/24', 0x0a00_0000n, 0x0a00_00ffn],
    ['10.0.0.1-10.0.0.2', 0x0a00_0001n, 0x0a00_0002n],
    ['0.0.0.0/0', 0n, 0xffff_ffffn],
  ] as const) {
    it(element, () => assert.deepEqual(readElement(['ipv4_addr'], element), [{ first, last }]));
  }

  for (const element of ['10.0.0', '10.0.0.2-10.0.0.1', '10.0.0.0/33', '::1', '10.0.0.1 . tcp', '', '-', '10.0.0.1-']) {
    it(`${element} is none`, () => assert.equal(readElement(['ipv4_addr'], element), undefined));
  }
});
