import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { judgeAnswers, readAnswers, type Answer } from '../../src/nftables/batch-answer.ts';

/** As the kernel sent them (strace): ENOENT for a request of 88 bytes, with the request; and an acknowledgement. */
const batch = { bytes: new Uint8Array(), begin: 7, requests: 2 };
const ack = (sequence: number): Answer => ({ sequence, error: 0 });

/** One message of the type. */
function message(type: number, sequence: number, error: number, rest = 16): Buffer {
  const bytes = Buffer.alloc(20 + rest);
  bytes.writeUInt32LE(20 + rest, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeInt32LE(error, 16);
  return bytes;
}

describe('the answers of the kernel to a batch', () => {
  it('are read, one or several in a datagram', () => {
    assert.deepEqual(readAnswers(message(2, 8, 0)), [ack(8)]);
    assert.deepEqual(readAnswers(Buffer.concat([message(2, 7, -16, 90), Buffer.alloc(2), message(2, 8, 0)])), [
      { sequence: 7, error: 16 },
      ack(8),
    ]);
    assert.deepEqual(readAnswers(new Uint8Array()), []);
  });

  it('are not read where they are something else, or cut', () => {
    assert.equal(readAnswers(message(3, 8, 0)), undefined);
    assert.equal(readAnswers(message(2, 8, 0).subarray(0, 30)), undefined);
    assert.equal(readAnswers(message(2, 8, 0).subarray(0, 10)), undefined);
    const short = message(2, 8, 0);
    short.writeUInt32LE(0, 0);
    assert.equal(readAnswers(short), undefined);
  });

  const cases: readonly [title: string, answers: readonly Answer[], outcome: string][] = [
    ['all requests are acknowledged', [ack(8), ack(9)], 'applied'],
    ['the order does not count', [ack(9), ack(8)], 'applied'],
    ['nothing came', [], 'unknown'],
    ['one acknowledgement is missing', [ack(8)], 'unknown'],
    ['one came twice, and the other not', [ack(8), ack(8)], 'unknown'],
    ['one request failed', [ack(8), { sequence: 9, error: 2 }], 'refused'],
    ['the commit failed', [{ sequence: 7, error: 12 }, ack(8), ack(9)], 'refused'],
    ['the kernel did not read the batch', [{ sequence: 7, error: 1 }], 'refused'],
    ['an answer is of an earlier batch', [ack(6), ack(8), ack(9)], 'unknown'],
    ['an error is of a later batch', [ack(8), ack(9), { sequence: 11, error: 2 }], 'unknown'],
  ];
  for (const [title, answers, outcome] of cases) {
    it(`say ${outcome}: ${title}`, () => assert.equal(judgeAnswers(batch, answers), outcome));
  }
});
