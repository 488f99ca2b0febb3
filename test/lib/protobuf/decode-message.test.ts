import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decodeMessage, ProtobufError, type UnknownFields } from '../../../src/lib/protobuf/decode-message.ts';
import type { Message } from '../../../src/lib/protobuf/message.ts';

const inner: Message = { 1: ['text', 'text'], 2: ['number', 'integer'] };
const message: Message = {
  1: ['text', 'text'],
  2: ['number', 'integer'],
  3: ['kept', { kept: 'integer' }],
  4: ['inner', { message: inner }],
  5: ['list', { listOf: { message: inner } }],
  6: ['map', { entries: ['wanted'] }],
  7: ['bytes', 'bytes'],
  8: ['ignored', 'ignored'],
};

const decode = (bytes: readonly number[], unknownFields: UnknownFields = 'skip'): Record<string, unknown> =>
  decodeMessage(message, Uint8Array.from(bytes), unknownFields, 'message');

const text = (...letters: string[]): number[] => letters.map((letter) => letter.charCodeAt(0));

describe('decoding a protobuf message', () => {
  it('leaves out what is empty, except for fields that are kept and for elements of a list', () => {
    assert.deepEqual(decode([0x0a, 0, 0x10, 0, 0x18, 0, 0x22, 0, 0x2a, 0, 0x2a, 0]), { kept: 0, list: [{}, {}] });
  });

  it('takes the last value of a field', () => {
    assert.deepEqual(decode([0x0a, 1, ...text('a'), 0x10, 1, 0x0a, 1, ...text('b'), 0x10, 2]), {
      text: 'b',
      number: 2,
    });
  });

  it('reads the wanted entries of a map only, wherever the key is', () => {
    const key = [0x0a, 6, ...text('w', 'a', 'n', 't', 'e', 'd')];
    const value = [0x12, 1, ...text('x')];
    assert.deepEqual(decode([0x32, 11, ...value, ...key, 0x32, 6, ...value, 0x0a, 1, ...text('k')]), {
      map: { wanted: 'x' },
    });
    assert.deepEqual(decode([0x32, 8, ...key]), { map: { wanted: '' } });
  });

  it('replaces bytes that are not UTF-8, as JSON does', () => {
    assert.deepEqual(decode([0x0a, 2, 0xff, 0x61]), { text: '\ufffda' });
  });

  const unknown = {
    'a number': [0x78, 1],
    'eight bytes': [0x79, 1, 2, 3, 4, 5, 6, 7, 8],
    bytes: [0x7a, 1, 0],
    'a group': [0x7b, 0x08, 1, 0x7c],
    'four bytes': [0x7d, 1, 2, 3, 4],
  };
  for (const [what, bytes] of Object.entries(unknown)) {
    it(`skips or refuses ${what} of an unknown field`, () => {
      assert.deepEqual(decode([...bytes, 0x10, 7]), { number: 7 });
      assert.throws(() => decode([...bytes, 0x10, 7], 'refuse'), ProtobufError);
    });
  }

  it('accepts unknown fields that are empty: Go writes them', () => {
    assert.deepEqual(decode([0x78, 0, 0x7a, 0, 0x42, 1, 0, 0x40, 1], 'refuse'), {});
  });

  const broken = {
    'a text that is cut off': [0x0a, 5, 0x61],
    'a number that is cut off': [0x10, 0x80],
    'a number of more than ten bytes': [0x10, ...Array.from({ length: 11 }, () => 0x80), 1],
    'a number that goes on after its message': [0x22, 2, 0x10, 0x80, 1],
    'a text that goes on after its message': [0x22, 2, 0x0a, 2, 0x61, 0x61],
    'a length that is cut off': [0x0a],
    'a length of 4 GB': [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    'field 0': [0x02, 0],
    'a number in place of a text': [0x08, 1],
    'a text in place of a number': [0x12, 1, 1],
    'four bytes in place of a number': [0x15, 1, 2, 3, 4],
    'the end of a group that has not begun': [0x7c],
    'a group without its end': [0x7b],
    'a group with the end of another': [0x7b, 0x74],
    'groups that nest deeply': Array.from({ length: 100_000 }, () => 0x7b),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    it(`refuses ${what}`, () => assert.throws(() => decode(bytes), ProtobufError));
  }
});
