import assert from 'node:assert/strict';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  addressBits,
  canonicalAddress,
  canonicalCidrs,
  containsAddress,
  families,
  formatAddress,
  formatCidr,
  mergeRanges,
  parseAddress,
  parseCidr,
  splitRanges,
  subtractRanges,
  type AddressRange,
  type Family,
} from '../../src/model/address.ts';

const ipv4 = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value) => ({ family: 'ipv4' as const, value }));
/** Groups of zeros, so that there is something to shorten. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
  .map((groups) => ({ family: 'ipv6' as const, value: groups.reduce((sum, group) => (sum << 16n) | group, 0n) }));
const addresses = fc.oneof(ipv4, ipv6);

describe('parseAddress', () => {
  it('reads what formatAddress writes, and both agree with Node', () =>
    fc.assert(
      fc.property(addresses, ({ family, value }) => {
        const text = formatAddress(family, value);
        assert.ok(family === 'ipv4' ? isIPv4(text) : isIPv6(text), text);
        assert.equal(canonicalHost(text), canonicalHost(writeAllGroups(family, value)), text);
        const mapped = family === 'ipv6' && value >> 32n === 0xffffn;
        assert.deepEqual(
          parseAddress(text),
          mapped ? { family: 'ipv4', value: value & 0xffff_ffffn } : { family, value },
        );
      }),
      { numRuns: 1000 },
    ));

  it('reads every spelling of an address that Node reads, as the same address', () =>
    fc.assert(
      fc.property(ipv6, fc.nat(7), fc.nat(8), fc.boolean(), ({ value }, start, length, upper) => {
        const groups = writeAllGroups('ipv6', value).split(':');
        const zeros = groups.slice(start, start + length);
        const text =
          zeros.length > 0 && zeros.every((group) => group === '0')
            ? `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
            : groups.map((group) => group.padStart(4, '0')).join(':');
        assert.equal(canonicalAddress(upper ? text.toUpperCase() : text), canonicalAddress(groups.join(':')), text);
      }),
      { numRuns: 1000 },
    ));

  it('reads leading zeros as decimal and IPv4-mapped addresses as IPv4, as the API does', () => {
    const cases = [
      ['010.001.000.0255', '10.1.0.255'],
      ['::ffff:10.1.2.3', '10.1.2.3'],
      ['::FFFF:a01:203', '10.1.2.3'],
      ['0:0:0:0:0:ffff:010.1.2.3', '10.1.2.3'],
      ['::10.1.2.3', '::10.1.2.3'],
      ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
      ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['::1', '::1'],
    ];
    for (const [text, canonical] of cases) assert.equal(canonicalAddress(text!), canonical, text);
  });

  it('refuses what is no address', () => {
    const texts = [
      ...[
        '',
        ' ',
        '10',
        '10.0.0',
        '10.0.0.0.0',
        '10.0.0.256',
        '10.0.0.-1',
        '10.0.0.',
        '.10.0.0',
        '10.0.0.1 ',
        '0x0a.0.0.1',
        '1e1.0.0.1',
      ],
      ...[
        ':',
        ':::',
        '1:2:3:4:5:6:7',
        '1:2:3:4:5:6:7:8:9',
        '::1:2:3:4:5:6:7:8',
        '1::2::3',
        '12345::',
        'g::',
        'fe80::1%eth0',
        '[::1]',
      ],
      ...[
        '1:2:3:4:5:6:7:1.2.3.4',
        '::1.2.3',
        '::1.2.3.256',
        '1.2.3.4::',
        ':1:2:3:4:5:6:7',
        '1:2:3:4:5:6:7:',
        '10.0.0.1/32',
      ],
    ];
    for (const text of texts) assert.equal(parseAddress(text), undefined, text);
  });
});

describe('parseCidr', () => {
  it('holds exactly the addresses that Node says are in the block', () => {
    const block = fc.oneof(
      fc.tuple(ipv4, fc.nat(32)).filter(([, prefix]) => prefix > 0),
      fc.tuple(
        ipv6.filter(({ value }) => value >> 32n !== 0xffffn),
        fc.integer({ min: 1, max: 128 }),
      ),
    );
    fc.assert(
      fc.property(block, fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), ([{ family, value }, prefix], noise) => {
        const cidr = `${formatAddress(family, value)}/${prefix}`;
        const range = parseCidr(cidr)!;
        const list = new BlockList();
        list.addSubnet(formatAddress(family, value), prefix, family);
        const bits = BigInt(addressBits[family]);
        const last = (1n << bits) - 1n;
        const near = [
          range.first,
          range.last,
          range.first - 1n,
          range.last + 1n,
          value ^ (noise >> (128n - bits)),
          value,
        ];
        for (const each of near.filter((candidate) => candidate >= 0n && candidate <= last)) {
          const text = formatAddress(family, each);
          assert.equal(containsAddress(range, { family, value: each }), list.check(text, family), `${text} in ${cidr}`);
        }
      }),
      { numRuns: 1000 },
    );
  });

  const rangeTexts = (text: string) => {
    const range = parseCidr(text);
    return range && [formatAddress(range.family, range.first), formatAddress(range.family, range.last)];
  };

  it('is exact at both ends of the space, and across the sign bit (S8.8)', () => {
    const last6 = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
    assert.deepEqual(rangeTexts('0.0.0.0/0'), ['0.0.0.0', '255.255.255.255']);
    assert.deepEqual(rangeTexts('255.255.255.255/0'), ['0.0.0.0', '255.255.255.255']);
    assert.deepEqual(rangeTexts('127.255.255.255/1'), ['0.0.0.0', '127.255.255.255']);
    assert.deepEqual(rangeTexts('128.0.0.0/1'), ['128.0.0.0', '255.255.255.255']);
    assert.deepEqual(rangeTexts('255.255.255.255/32'), ['255.255.255.255', '255.255.255.255']);
    assert.deepEqual(rangeTexts('::/0'), ['::', last6]);
    assert.deepEqual(rangeTexts('8000::/1'), ['8000::', last6]);
    assert.deepEqual(rangeTexts(`${last6}/128`), [last6, last6]);
    assert.deepEqual(rangeTexts(`${last6}/127`), [last6.replace(/f$/, 'e'), last6]);
    assert.deepEqual(rangeTexts('fd00::ffff:ffff:ffff:ffff/64'), ['fd00::', 'fd00::ffff:ffff:ffff:ffff']);
  });

  it('reads an IPv4-mapped block as IPv4 from /96 on, and refuses shorter ones (S3.12)', () => {
    assert.deepEqual(rangeTexts('::ffff:0:0/96'), ['0.0.0.0', '255.255.255.255']);
    assert.deepEqual(rangeTexts('::ffff:10.1.2.3/128'), ['10.1.2.3', '10.1.2.3']);
    assert.deepEqual(rangeTexts('::ffff:10.1.2.3/120'), ['10.1.2.0', '10.1.2.255']);
    for (const prefix of [95, 64, 0]) assert.equal(parseCidr(`::ffff:10.1.2.3/${prefix}`), undefined);
  });

  it('refuses what is no CIDR', () => {
    const texts = [
      '',
      '/',
      '10.0.0.0',
      '10.0.0.0/',
      '/8',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/+8',
      '10.0.0.0/8/8',
      '10.0.0/8',
    ];
    for (const text of [...texts, '::/129', '::/1e1', '::', 'fe80::1%eth0/64', '10.0.0.0/8 ', '10.0.0.0/255.0.0.0']) {
      assert.equal(parseCidr(text), undefined, text);
    }
  });
});

/** Ranges in the last 24 addresses of a family, so that all of them can be tried. */
const space = 24;
const smallRange = fc
  .tuple(fc.constantFrom(...families), fc.nat(space - 1), fc.nat(space - 1))
  .map(([family, a, b]): AddressRange => {
    const base = (1n << BigInt(addressBits[family])) - BigInt(space);
    return { family, first: base + BigInt(Math.min(a, b)), last: base + BigInt(Math.max(a, b)) };
  });
const everyAddress = families.flatMap((family) =>
  Array.from({ length: space }, (_, index) => ({
    family,
    value: (1n << BigInt(addressBits[family])) - BigInt(space) + BigInt(index),
  })),
);

function assertAscendingApart(ranges: readonly AddressRange[]): void {
  for (const [index, range] of ranges.entries()) {
    assert.ok(range.first <= range.last);
    const next = ranges[index + 1];
    if (next?.family === range.family) assert.ok(range.last + 1n < next.first, 'ranges touch or are out of order');
  }
}

describe('mergeRanges', () => {
  it('is the union, in ranges that do not touch', () =>
    fc.assert(
      fc.property(fc.array(smallRange, { maxLength: 6 }), (ranges) => {
        const merged = mergeRanges(ranges);
        assertAscendingApart(merged);
        for (const address of everyAddress) {
          const expected = ranges.some((range) => containsAddress(range, address));
          assert.equal(
            merged.some((range) => containsAddress(range, address)),
            expected,
          );
        }
      }),
      { numRuns: 500 },
    ));
});

describe('subtractRanges', () => {
  it('is what is in the range and in no hole', () =>
    fc.assert(
      fc.property(smallRange, fc.array(smallRange, { maxLength: 5 }), (range, holes) => {
        const rest = subtractRanges(range, holes);
        assertAscendingApart(rest);
        for (const address of everyAddress) {
          const expected = containsAddress(range, address) && !holes.some((hole) => containsAddress(hole, address));
          assert.equal(
            rest.some((each) => containsAddress(each, address)),
            expected,
          );
        }
      }),
      { numRuns: 500 },
    ));

  it('reaches both ends of the space', () => {
    const minus = (cidr: string, ...excepts: string[]) =>
      subtractRanges(
        parseCidr(cidr)!,
        excepts.map((except) => parseCidr(except)!),
      ).map(({ family, first, last }) => `${formatAddress(family, first)}-${formatAddress(family, last)}`);
    assert.deepEqual(minus('0.0.0.0/0', '0.0.0.0/32', '255.255.255.255/32'), ['0.0.0.1-255.255.255.254']);
    assert.deepEqual(minus('0.0.0.0/0', '0.0.0.0/1'), ['128.0.0.0-255.255.255.255']);
    assert.deepEqual(minus('::/0', '8000::/1', '::/128'), ['::1-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']);
    assert.deepEqual(minus('::/0', '::/0'), []);
    assert.deepEqual(minus('0.0.0.0/0', '::/0'), ['0.0.0.0-255.255.255.255']);
  });
});

describe('splitRanges', () => {
  const lists = fc.array(smallRange, { maxLength: 6 }).map(mergeRanges);

  it('is what is inside of the others, and what is not', () =>
    fc.assert(
      fc.property(lists, lists, (ranges, others) => {
        const [ofFamily, ofOthers] = [ranges, others].map((all) => all.filter(({ family }) => family === 'ipv4'));
        const { inside, outside } = splitRanges(ofFamily!, ofOthers!);
        const covers = (all: readonly AddressRange[], address: (typeof everyAddress)[number]): boolean =>
          all.some((each) => containsAddress(each, address));
        for (const address of everyAddress) {
          const isOne = covers(ofFamily!, address);
          assert.equal(covers(inside, address), isOne && covers(ofOthers!, address));
          assert.equal(covers(outside, address), isOne && !covers(ofOthers!, address));
        }
        assert.deepEqual(mergeRanges([...inside, ...outside]), ofFamily);
      }),
      { numRuns: 500 },
    ));

  it('reads each of the others a few times, however many ranges there are', () => {
    const block = (index: number, size: number): AddressRange => ({
      family: 'ipv4',
      first: BigInt(index * 100),
      last: BigInt(index * 100 + size),
    });
    let reads = 0;
    const others = new Proxy(
      Array.from({ length: 2000 }, (_, index) => block(index, 50)),
      {
        get(target, name, receiver) {
          if (typeof name === 'string' && /^[0-9]+$/.test(name)) reads++;
          return Reflect.get(target, name, receiver) as unknown;
        },
      },
    );
    const { inside, outside } = splitRanges(
      Array.from({ length: 2000 }, (_, index) => block(index, 70)),
      others,
    );
    assert.deepEqual([inside.length, outside.length], [2000, 2000]);
    assert.ok(reads < 5 * 2000, `${reads} reads`);
  });
});

describe('canonicalCidrs', () => {
  for (const [cidrs, expected] of [
    [[], []],
    [['10.244.1.7/24'], ['10.244.1.0/24']],
    [
      ['fd00::/64', '10.0.0.0/8', 'nonsense', '9.0.0.0/8'],
      ['9.0.0.0/8', '10.0.0.0/8', 'fd00::/64'],
    ],
    [['10.1.0.0/24', '10.0.0.0/8', '10.0.0.0/24', '10.0.0.0/8'], ['10.0.0.0/8']],
    [
      ['10.0.0.0/25', '10.0.0.128/25'],
      ['10.0.0.0/25', '10.0.0.128/25'],
    ],
    [
      ['0.0.0.0/0', '::/0', '10.1.1.1/32', '::1/128'],
      ['0.0.0.0/0', '::/0'],
    ],
    [['::ffff:10.1.0.0/112'], ['10.1.0.0/16']],
    [
      ['10.1.1.1/32', 'fd00::1/128'],
      ['10.1.1.1/32', 'fd00::1/128'],
    ],
  ] as const) {
    it(`of ${cidrs.join(' ') || 'nothing'} is ${expected.join(' ') || 'nothing'}`, () => {
      assert.deepEqual(canonicalCidrs(cidrs), expected);
    });
  }

  it('covers the same addresses, in whatever order they come', () =>
    fc.assert(
      fc.property(fc.array(smallRange, { maxLength: 6 }), (ranges) => {
        const blocks = ranges.flatMap(blocksOf).map(formatCidr);
        const kept = canonicalCidrs(blocks).map((cidr) => parseCidr(cidr)!);
        assert.deepEqual(mergeRanges(kept), mergeRanges(ranges));
        assert.deepEqual(canonicalCidrs(blocks.toReversed()), kept.map(formatCidr));
        for (const [index, { family, first }] of kept.entries()) {
          for (const other of kept.toSpliced(index, 1)) assert.ok(!containsAddress(other, { family, value: first }));
        }
      }),
      { numRuns: 300 },
    ));
});

/** Single addresses, and the range itself where it is a block. */
function blocksOf({ family, first, last }: AddressRange): AddressRange[] {
  const size = last - first + 1n;
  const isBlock = (size & (size - 1n)) === 0n && first % size === 0n;
  const singles = Array.from({ length: Number(size) }, (_, i) => first + BigInt(i));
  return [
    ...(isBlock ? [{ family, first, last }] : []),
    ...singles.map((each) => ({ family, first: each, last: each })),
  ];
}

/** All groups or octets, unshortened: the plainest spelling there is. */
function writeAllGroups(family: Family, value: bigint): string {
  const [width, count] = family === 'ipv4' ? [8n, 4] : [16n, 8];
  const parts = Array.from(
    { length: count },
    (_, i) => (value >> (width * BigInt(count - 1 - i))) & ((1n << width) - 1n),
  );
  return family === 'ipv4' ? parts.join('.') : parts.map((part) => part.toString(16)).join(':');
}

/** What a URL makes of it. */
function canonicalHost(address: string): string {
  return new URL(`http://${address.includes(':') ? `[${address}]` : address}/`).hostname;
}
