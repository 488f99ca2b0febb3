import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  ElementDump,
  encodeDumpRequest,
  encodeGenerationRequest,
  isDumped,
  readGeneration,
  type DumpOutcome,
} from '../../src/nftables/element-dump.ts';
import { FieldTexts } from '../../src/nftables/field-texts.ts';
import type { NetlinkBytes } from '../../src/nftables/netlink-bytes.ts';
import type { Element, ElementVerdict, KeyType, NftSet, VerdictMap } from '../../src/nftables/ruleset.ts';
import { dumpEnd, dumpPart, errorAnswer, generationAnswer } from './dumps.ts';
import { elementsOf, header } from './random-element.ts';

const sequence = 7;
const of = { sequence };
const plainSet = (key: readonly KeyType[], elements: readonly Element[] = [], interval = false): NftSet => ({
  name: 'o',
  key,
  interval,
  elements: new Set(elements),
});
const mapOf = (
  key: readonly KeyType[],
  elements: readonly (readonly [Element, ElementVerdict])[] = [],
): VerdictMap => ({
  name: 'o',
  key,
  interval: false,
  elements: new Map(elements),
});
const address = plainSet(['ipv4_addr'], ['10.0.0.1', '10.0.0.2']);

/** Reads the datagrams, of which the last must end the dump, as the elements of an object that had none. */
function read<T extends NftSet | VerdictMap>(object: T, ...datagrams: readonly Buffer[]): DumpOutcome<T> {
  const elements = object.elements instanceof Map ? new Map() : new Set();
  const dump = new ElementDump({ ...object, elements }, sequence, new FieldTexts());
  assert.deepEqual(
    datagrams.map((each) => dump.read(each)),
    datagrams.map((_, index) => index === datagrams.length - 1),
  );
  return dump.outcome;
}

/** What Linux 6.18 sent, for sets that nft 1.1.3 had written. Recorded with this reader. */
const recorded: readonly { readonly object: NftSet | VerdictMap; readonly datagrams: readonly string[] }[] = [
  {
    object: plainSet(['ipv4_addr', 'inet_proto', 'inet_service'], ['10.0.0.1 . tcp . 8080', '10.0.0.2 . 47 . 1']),
    datagrams: [
      '5c0000000c0a020007000000cc420000020000020c000100706f737465726e00060002006f000000340003001800010014000100100001000a0000022f000000000100001800010014000100100001000a000001060000001f900000',
      '2c0000000c0a020007000000cc420000020000020c000100706f737465726e00060002006f00000004000300140000000300020007000000cc42000000000000',
    ],
  },
  {
    object: plainSet(
      ['ipv4_addr', 'inet_proto', 'inet_service'],
      ['10.0.0.0-10.255.255.255 . tcp . 80-81', '192.0.2.1 . 0-255 . 53'],
      true,
    ),
    datagrams: [
      '840000000c0a020007000000cc420000020000020c000100706f737465726e0006000200690000005c0003002c00010014000100100001000a000000060000000050000014000a00100001000affffff06000000005100002c0001001400010010000100c0000201000000000035000014000a0010000100c0000201ff00000000350000',
      '2c0000000c0a020007000000cc420000020000020c000100706f737465726e00060002006900000004000300140000000300020007000000cc42000000000000',
    ],
  },
  {
    object: mapOf(
      ['inet_service'],
      [
        ['81', { kind: 'accept' }],
        ['80', { kind: 'goto', chain: 'c-1' }],
        ['*', { kind: 'drop' }],
      ],
    ),
    datagrams: [
      '740000000c0a020007000000cc420000020000020c000100706f737465726e00060002006d0000004c000300200001000c0001000600010000510000100002000c0002000800010000000001280001000c0001000600010000500000180002001400020008000100fffffffc08000200632d3100',
      '480000000c0a020007000000cc420000020000020c000100706f737465726e00060002006d000000200003001c000100100002000c00020008000100000000000800030000000002140000000300020007000000cc42000000000000',
    ],
  },
];
/** An element that expires, and one with a comment. */
const recordedOdd = [
  '480000000c0a020007000000cc420000020000020c000100706f737465726e000600020074000000200003001c0001000c000100080001000a0000010c000500000000000036eb4c',
  '440000000c0a020007000000cc420000020000020c000100706f737465726e0006000200750000001c000300180001000c000100080001000a0000010800060000027800',
];
const recordedNotThere =
  '400000000200000007000000cc420000feffffff2c0000000d0a01030700000000000000020000000c000100706f737465726e00090002006e6f6e6500000000';
const recordedGeneration =
  '340000000f0a000008000000cc42000000000002080001000000000208000200000042cc0f0003004d61696e5468726561640000';

describe('the elements of a dump', () => {
  for (const { object, datagrams } of recorded)
    it(`are those that nft wrote: ${[...object.elements.keys()].join()}`, () => {
      assert.deepEqual(read(object, ...datagrams.map((hex) => Buffer.from(hex, 'hex'))), object);
    });

  it('are odd, as the kernel sends those that expire or have a comment', () => {
    for (const hex of recordedOdd) assert.equal(read(address, Buffer.from(hex, 'hex'), dumpEnd(of)), 'odd');
  });

  it('have changed if the set is gone', () => {
    assert.equal(read(address, Buffer.from(recordedNotThere, 'hex')), 'changed');
  });

  it('are all elements that Postern writes, in any set and in any number of parts', () => {
    const objects = header.chain((each) =>
      fc.tuple(elementsOf(each), elementsOf(each)).map((parts) => ({ each, parts })),
    );
    fc.assert(
      fc.property(objects, ({ each: { key, interval }, parts }) => {
        const sets = parts.map((elements) => plainSet(key, elements, interval));
        const all = plainSet(key, parts.flat(), interval);
        assert.deepEqual(read(all, ...sets.map((set) => dumpPart(set, of)), dumpEnd(of)), all);
      }),
    );
  });

  const verdicts: readonly ElementVerdict[] = [
    { kind: 'accept' },
    { kind: 'drop' },
    { kind: 'continue' },
    { kind: 'return' },
    { kind: 'jump', chain: 'c-1' },
    { kind: 'goto', chain: 'c-1' },
  ];
  it('have their verdicts, and a map may have a catch-all element', () => {
    const map = mapOf(
      ['ipv4_addr'],
      [...verdicts.map((verdict, i) => [`10.0.0.${i}`, verdict] as const), ['*', { kind: 'drop' }]],
    );
    assert.deepEqual(read(map, dumpPart(map, of), dumpEnd(of)), map);
  });

  const value = (bytes: NetlinkBytes, text: string): void => bytes.value(1, Buffer.from(text, 'hex'));
  /** Each makes an element with an attribute of its own, or with another one than Postern writes. */
  const oddities: Readonly<Record<string, (bytes: NetlinkBytes) => void>> = {
    'a verdict in a set': (bytes) => bytes.nest(2, () => bytes.nest(2, () => bytes.number(1, 0))),
    'the flag of an end': (bytes) => bytes.number(3, 1),
    'a timeout': (bytes) => bytes.value(4, Buffer.alloc(8)),
    'an expiry': (bytes) => bytes.value(5, Buffer.alloc(8)),
    'user data': (bytes) => bytes.value(6, Buffer.from('x')),
    'an expression': (bytes) => bytes.nest(7, () => bytes.text(1, 'counter')),
    'a reference to an object': (bytes) => bytes.text(9, 'counter'),
    'the end of an interval': (bytes) => bytes.nest(10, () => value(bytes, '0a000009')),
    expressions: (bytes) => bytes.nest(11, () => {}),
    'what a newer kernel sends': (bytes) => bytes.number(12, 1),
    'a key and the flag of a catch-all element': (bytes) => bytes.number(3, 2),
    'a key that is too short': (bytes) => bytes.nest(1, () => value(bytes, '0a00')),
    'a key that is too long': (bytes) => bytes.nest(1, () => value(bytes, '0a00000102')),
    'a key of two values': (bytes) =>
      bytes.nest(1, () => {
        value(bytes, '0a000001');
        value(bytes, '0a000002');
      }),
    'a key with a verdict': (bytes) => bytes.nest(1, () => bytes.nest(2, () => bytes.number(1, 0))),
  };
  for (const [what, addTo] of Object.entries(oddities))
    it(`are odd: ${what}`, () => {
      assert.equal(read(address, dumpPart(address, { ...of, addTo }), dumpEnd(of)), 'odd');
    });

  const verdictAttribute =
    (write: (bytes: NetlinkBytes) => void) =>
    (bytes: NetlinkBytes): void =>
      bytes.nest(2, () => bytes.nest(2, () => write(bytes)));
  const oddVerdicts: Readonly<Record<string, (bytes: NetlinkBytes) => void>> = {
    none: () => {},
    'a value': (bytes) => bytes.nest(2, () => value(bytes, '00000001')),
    'no code': verdictAttribute(() => {}),
    'to a queue': verdictAttribute((bytes) => bytes.number(1, 3)),
    break: verdictAttribute((bytes) => bytes.number(1, -2)),
    'jump to no chain': verdictAttribute((bytes) => bytes.number(1, -3)),
    'a chain with a name that nft cannot write': verdictAttribute((bytes) => {
      bytes.number(1, -3);
      bytes.text(2, 'a b');
    }),
    'accept with a chain': verdictAttribute((bytes) => {
      bytes.number(1, 1);
      bytes.text(2, 'c');
    }),
    'more than Postern writes': verdictAttribute((bytes) => {
      bytes.number(1, 1);
      bytes.number(3, 1);
    }),
  };
  for (const [what, addTo] of Object.entries(oddVerdicts))
    it(`are odd: the verdict is ${what}`, () => {
      const map = mapOf(['ipv4_addr']);
      const elements = dumpPart({ ...address, elements: new Set(['10.0.0.1']) }, { ...of, addTo });
      assert.equal(read(map, elements, dumpEnd(of)), 'odd');
    });

  it('are odd: a catch-all element in a set, in a map of intervals, or in a map without a verdict', () => {
    const other = dumpPart(plainSet(['ipv4_addr'], ['*']), of);
    assert.equal(read(address, other, dumpEnd(of)), 'odd');
    assert.equal(read(mapOf(['ipv4_addr']), other, dumpEnd(of)), 'odd');
    const map = mapOf(['ipv4_addr'], [['*', { kind: 'drop' }]]);
    const withEnd = dumpPart(map, { ...of, addTo: (bytes) => bytes.number(3, 1) });
    assert.equal(read(map, withEnd, dumpEnd(of)), 'odd');
    const key: readonly KeyType[] = ['ipv4_addr', 'inet_service'];
    const intervals: VerdictMap = { ...mapOf(key, [['*', { kind: 'drop' }]]), interval: true };
    assert.equal(read(intervals, dumpPart(intervals, of), dumpEnd(of)), 'odd');
  });

  it('are odd: an interval without its end, one that ends before it begins, and one of device names', () => {
    const key: readonly KeyType[] = ['ipv4_addr', 'inet_service'];
    const set = plainSet(key, [], true);
    assert.equal(read(set, dumpPart(plainSet(key, ['10.0.0.1 . 80']), of), dumpEnd(of)), 'odd');
    const interval = (first: string, last: string, types = key): DumpOutcome<NftSet> => {
      const part = dumpPart(plainSet([], ['']), {
        ...of,
        addTo(bytes) {
          bytes.nest(1, () => value(bytes, first));
          bytes.nest(10, () => value(bytes, last));
        },
      });
      // Without the empty key that comes first.
      return read(plainSet(types, [], true), withoutFirstKey(part), dumpEnd(of));
    };
    const range = interval('0a00000100500000', '0a00000200500000');
    assert.deepEqual(range, plainSet(key, ['10.0.0.1-10.0.0.2 . 80'], true));
    assert.equal(interval('0a00000200500000', '0a00000100500000'), 'odd');
    assert.equal(interval('0a00000100500001', '0a00000200500000'), 'odd');
    assert.equal(interval('0a00000100500000', '0a00000200500001'), 'odd');
    const eth = Buffer.from('eth0'.padEnd(16, '\0')).toString('hex');
    const eti = Buffer.from('eti0'.padEnd(16, '\0')).toString('hex');
    const names: readonly KeyType[] = ['ifname', 'ipv4_addr'];
    assert.deepEqual(interval(`${eth}0a000001`, `${eth}0a000001`, names), plainSet(names, ['eth0 . 10.0.0.1'], true));
    assert.equal(interval(`${eth}0a000001`, `${eti}0a000001`, names), 'odd');
  });

  const badKeys: readonly [KeyType[], string][] = [
    [['inet_proto', 'inet_service'], '0600000100500000'],
    [['inet_proto', 'inet_service'], '0600000000500001'],
    [['ifname'], Buffer.from('a\0b'.padEnd(16, '\0')).toString('hex')],
    [['ifname'], Buffer.from('a,b'.padEnd(16, '\0')).toString('hex')],
    [['ifname'], Buffer.from('0123456789abcdef').toString('hex')],
    [['ifname'], '00'.repeat(16)],
  ];
  for (const [key, hex] of badKeys)
    it(`are odd: ${hex} as a key of ${key.join(' . ')}`, () => {
      const part = dumpPart(plainSet([], ['']), { ...of, addTo: (bytes) => bytes.nest(1, () => value(bytes, hex)) });
      assert.equal(read(plainSet(key), withoutFirstKey(part), dumpEnd(of)), 'odd');
    });

  it('are odd, however many others follow', () => {
    const odd = dumpPart(address, { ...of, addTo: (bytes) => bytes.number(12, 1) });
    assert.equal(read(address, odd, dumpPart(address, of), dumpEnd(of)), 'odd');
  });

  it('have changed if a part says that the dump was interrupted, or its end has an error', () => {
    const interrupted = 0x12;
    const part = dumpPart(address, of);
    assert.equal(read(address, dumpPart(address, { ...of, flags: interrupted }), dumpEnd(of)), 'changed');
    assert.equal(read(address, part, dumpEnd({ ...of, flags: interrupted })), 'changed');
    assert.equal(read(address, part, dumpEnd({ ...of, error: 4 })), 'changed');
    assert.equal(read(address, part, errorAnswer(sequence, 4)), 'changed');
    assert.deepEqual(read(address, part, dumpEnd(of)), address);
  });

  it('are not read from what is no answer to the request, or does not fit in its datagram', () => {
    const part = dumpPart(address, of);
    const dump = (): ElementDump<NftSet> => new ElementDump(address, sequence, new FieldTexts());
    assert.throws(() => dump().read(dumpPart(address, { sequence: 8 })), /another request/);
    assert.throws(() => dump().read(generationAnswer(sequence, 1)), /type 2575/);
    for (let length = 1; length < part.length; length++)
      assert.throws(() => dump().read(part.subarray(0, length)), /does not fit/);
    const nested = Buffer.from(part);
    // The length of the list of elements.
    const list = part.indexOf(Buffer.from([3, 0x80])) - 2;
    nested.writeUInt16LE(nested.readUInt16LE(list) + 4, list);
    assert.throws(() => dump().read(nested), /does not fit/);
  });
});

/** An object without key fields writes an empty key into its only element: 8 bytes after the heads of the list and of the element. */
function withoutFirstKey(part: Buffer): Buffer {
  const list = part.indexOf(Buffer.from([3, 0x80])) - 2;
  const bytes = Buffer.concat([part.subarray(0, list + 8), part.subarray(list + 16)]);
  bytes.writeUInt32LE(bytes.length, 0);
  for (const at of [list, list + 4]) bytes.writeUInt16LE(bytes.readUInt16LE(at) - 8, at);
  return bytes;
}

describe('a request for elements', () => {
  it('has the family, the table and the set, and asks for all', () => {
    assert.equal(
      Buffer.from(encodeDumpRequest('ip6', 'o', 7)).toString('hex'),
      '280000000d0a010307000000000000000a0000000c000100706f737465726e00060002006f000000',
    );
  });

  it('is for sets and maps whose dumps have a form that is read here', () => {
    assert.ok(isDumped(address) && isDumped(mapOf(['ifname', 'ipv6_addr'])));
    assert.ok(isDumped(plainSet(['ipv4_addr', 'inet_service'], [], true)));
    assert.ok(!isDumped(plainSet([])), 'a foreign set');
    assert.ok(!isDumped(plainSet(['ipv4_addr'], [], true)), 'intervals of one field');
    assert.ok(!isDumped(plainSet(['iface_index'])));
    assert.ok(!isDumped({ ...address, records: { seconds: 60, size: 1 } }), 'a set that packets fill');
  });
});

describe('the generation', () => {
  it('is the number that the kernel sends', () => {
    assert.equal(readGeneration(Buffer.from(recordedGeneration, 'hex'), 8), 2);
    assert.equal(readGeneration(generationAnswer(8, 0x7fff_0001), 8), 0x7fff_0001);
    assert.equal(Buffer.from(encodeGenerationRequest(8)).toString('hex'), '14000000100a0100080000000000000000000000');
  });

  it('is not read from another answer', () => {
    assert.throws(() => readGeneration(generationAnswer(9, 1), 8), /another request/);
    for (const other of [dumpPart(address, { sequence: 8 }), errorAnswer(8, 1), dumpEnd({ sequence: 8 })])
      assert.throws(() => readGeneration(other, 8), /did not say which generation/);
  });
});
