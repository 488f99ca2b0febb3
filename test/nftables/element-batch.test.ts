import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { elementBatchLimits, encodeElementBatch, encodeGracePeriod } from '../../src/nftables/element-batch.ts';
import type { KeyType, NftSet, Operation, VerdictMap } from '../../src/nftables/ruleset.ts';
import { elementCases } from './element-cases.ts';
import { recordedRequests } from './recorded-requests.ts';

const set: NftSet = { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set() };
const map: VerdictMap = { name: 'm', key: ['ipv4_addr'], interval: false, elements: new Map() };

function add(elements: readonly string[], of: Partial<NftSet> = {}): Operation {
  return { family: 'ip', verb: 'add elements', set: { ...set, ...of }, elements };
}

/** Messages of a batch. */
function messagesOf(bytes: Uint8Array): Buffer[] {
  const messages: Buffer[] = [];
  for (let rest = Buffer.from(bytes); rest.length > 0;) {
    const length = rest.readUInt32LE(0);
    messages.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  return messages;
}

/** A request without the numbers of nft, which the kernel does not need: of the request, of a set of the same batch, and of each element. Sorts attributes. */
function withoutNumbers(request: Buffer): Buffer {
  const setId = 4;
  const elements = 0x8003;
  const item = 0x8001;
  const header = Buffer.from(request.subarray(0, 20));
  const attributes = attributesOf(request.subarray(20)).filter(({ type }) => type !== setId);
  for (const { type, bytes } of attributes) {
    if (type === elements) for (const each of attributesOf(bytes.subarray(4))) each.bytes.writeUInt16LE(item, 2);
  }
  const body = Buffer.concat(attributes.toSorted((a, b) => a.type - b.type).map(({ bytes }) => bytes));
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt32LE(0, 8);
  return Buffer.concat([header, body]);
}

function attributesOf(body: Buffer): { readonly type: number; readonly bytes: Buffer }[] {
  const attributes: { type: number; bytes: Buffer }[] = [];
  for (let rest = body; rest.length > 0;) {
    const end = (rest.readUInt16LE(0) + 3) & ~3;
    attributes.push({ type: rest.readUInt16LE(2), bytes: rest.subarray(0, end) });
    rest = rest.subarray(end);
  }
  return attributes;
}

describe('a batch of elements', () => {
  for (const [index, operation] of elementCases.entries()) {
    const { command, request } = recordedRequests[index]!;
    it(`has the bytes that nft sends: ${command}`, () => {
      const { bytes, begin, requests } = encodeElementBatch([operation], 7)!;
      assert.deepEqual([begin, requests], [7, 1]);
      const [, message] = messagesOf(bytes) as [Buffer, Buffer, Buffer];
      // We ask for an acknowledgement, and number in our own way.
      const acknowledge = 4;
      message.writeUInt16LE(message.readUInt16LE(6) & ~acknowledge, 6);
      message.writeUInt32LE(0, 8);
      assert.equal(message.toString('hex'), withoutNumbers(Buffer.from(request, 'hex')).toString('hex'));
    });
  }

  it('begins and ends as a transaction of nf_tables, and asks for an acknowledgement of the last request', () => {
    const { bytes } = encodeElementBatch([add(['10.0.0.1']), add(['10.0.0.2'])], 7)!;
    const messages = messagesOf(bytes);
    assert.deepEqual(
      messages.map((each) => [each.readUInt16LE(4), each.readUInt16LE(6), each.readUInt32LE(8)]),
      [
        [0x10, 1, 7],
        [0xa0c, 0x401, 8],
        [0xa0c, 0x405, 9],
        [0x11, 1, 10],
      ],
    );
    for (const frame of [messages[0]!, messages[3]!]) assert.equal(frame.toString('hex', 16), '0000000a');
  });

  const forNft: Record<string, readonly Operation[]> = {
    nothing: [],
    'a set with intervals': [add(['10.0.0.1'], { interval: true })],
    'a set that packets fill': [add(['10.0.0.1'], { records: { seconds: 60, size: 1 } })],
    'a map with intervals': [
      { family: 'ip', verb: 'delete mappings', map: { ...map, interval: true }, elements: ['10.0.0.1'] },
    ],
    'no elements': [add([])],
    'a range': [add(['10.0.0.1-10.0.0.2'])],
    'an element of another type': [add(['fd00::1'])],
    'too few fields': [add(['10.0.0.1'], { key: ['ipv4_addr', 'inet_proto'] })],
    'an interface index': [add(['3'], { key: ['iface_index'] })],
    'a new set': [{ family: 'ip', verb: 'add set', set }],
    'a chain with rules': [
      { family: 'ip', verb: 'add chain', chain: { name: 'c', rules: [{ matches: [], verdict: { kind: 'drop' } }] } },
    ],
    'a base chain': [
      { family: 'ip', verb: 'add chain', chain: { name: 'c', base: { hook: 'forward', priority: 0 }, rules: [] } },
    ],
    'elements, and rules': [
      add(['10.0.0.1']),
      { family: 'ip', verb: 'replace rules', chain: { name: 'c', rules: [] } },
    ],
    'elements, and a range': [add(['10.0.0.1', '10.0.0.4/30'])],
  };
  for (const [title, operations] of Object.entries(forNft)) {
    it(`is not made of what is for nft: ${title}`, () => assert.equal(encodeElementBatch(operations, 1), undefined));
  }

  it('has as many requests and bytes as the limits say, and not more', () => {
    const { bytes: mostOfAll, requestBytes: most, requests } = elementBatchLimits;
    const many = (count: number): Operation[] => Array.from({ length: count }, () => add(['10.0.0.1']));
    assert.equal(encodeElementBatch(many(requests), 1)?.requests, requests);
    assert.equal(encodeElementBatch(many(requests + 1), 1), undefined);
    const wide = (count: number): Operation =>
      add(Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`));
    const size = (count: number): number | undefined => encodeElementBatch([wide(count)], 1)?.bytes.length;
    const each = size(2)! - size(1)!;
    const fitting = Math.floor((most - size(1)!) / each);
    assert.ok(size(fitting)! <= most);
    assert.equal(size(fitting + 20), undefined);
    const several = (count: number): number | undefined =>
      encodeElementBatch(
        Array.from({ length: count }, () => wide(fitting - 1)),
        1,
      )?.bytes.length;
    assert.ok(several(2)! > most && several(2)! <= mostOfAll);
    assert.equal(several(3), undefined);
  });

  it('holds elements of every type of key', () => {
    const samples: Readonly<Record<Exclude<KeyType, 'iface_index'>, string>> = {
      ipv4_addr: '10.0.0.1',
      ipv6_addr: 'fd00::1',
      inet_proto: 'tcp',
      inet_service: '80',
      ifname: 'eth0',
      ether_addr: '02:00:00:00:00:01',
    };
    const lengths = Object.entries(samples).map(([type, text]) => {
      const batch = encodeElementBatch([add([text, text], { key: [type as KeyType] })], 1)!;
      return [
        type,
        batch.bytes.length - encodeElementBatch([add([text], { key: [type as KeyType] })], 1)!.bytes.length,
      ];
    });
    // An element, its key and its value have a header of 4 bytes each.
    assert.deepEqual(Object.fromEntries(lengths), {
      ipv4_addr: 16,
      ipv6_addr: 28,
      inet_proto: 16,
      inet_service: 16,
      ifname: 28,
      ether_addr: 20,
    });
  });
});

describe('a wait for packets in flight', () => {
  it('is a batch without an end, which the kernel only checks (K27)', () => {
    const { bytes, begin, requests } = encodeGracePeriod(7);
    assert.deepEqual([begin, requests], [7, 1]);
    assert.deepEqual(
      messagesOf(bytes).map((each) => each.toString('hex', 4)),
      [
        '1000010007000000000000000000000a',
        // The request of `nft -c add table ip postern-passing`, with an acknowledgement.
        `000a050408000000000000000200000014000100${Buffer.from('postern-passing\0').toString('hex')}`,
      ],
    );
  });
});
