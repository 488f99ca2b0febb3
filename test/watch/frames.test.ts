import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { frame } from '../../bench/cluster/protobuf/pods.ts';
import { ApiError } from '../../src/watch/api-error.ts';
import { splitFrames } from '../../src/watch/frames.ts';

async function framesOf(chunks: Iterable<Uint8Array>): Promise<Buffer[]> {
  async function* give(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const frames: Buffer[] = [];
  for await (const each of splitFrames(give())) frames.push(Buffer.from(each));
  return frames;
}

describe('splitting a stream into frames', () => {
  it('gives the same frames wherever the chunks are cut, also inside a length', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array()), fc.array(fc.nat()), async (bodies, cuts) => {
        const bytes = Buffer.concat(bodies.map(frame));
        const offsets = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const chunks = offsets.slice(1).map((end, index) => bytes.subarray(offsets[index], end));
        assert.deepEqual(
          await framesOf(chunks),
          bodies.map((body) => Buffer.from(body)),
        );
      }),
    );
  });

  it('drops a last frame that is not complete', async () => {
    const bytes = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.from('two')).subarray(0, -1)]);
    assert.deepEqual(await framesOf([bytes]), [Buffer.from('one')]);
    assert.deepEqual(await framesOf([bytes.subarray(0, 9)]), [Buffer.from('one')]);
  });

  it('joins a frame of many megabytes', async () => {
    const body = Buffer.alloc(8 << 20, 0x61);
    const bytes = frame(body);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 16_384) }, (_, index) =>
      bytes.subarray(index * 16_384, (index + 1) * 16_384),
    );
    const [joined] = await framesOf(chunks);
    assert.ok(joined?.equals(body));
  });

  for (const length of [0x01_00_00_01, 0xff_ff_ff_ff]) {
    it(`refuses a frame of ${length} bytes as soon as it has the length`, async () => {
      let asked = 0;
      function* endless(): Generator<Uint8Array> {
        const prefix = Buffer.alloc(4);
        prefix.writeUInt32BE(length);
        yield prefix;
        for (; asked < 100; asked++) yield Buffer.alloc(1);
      }
      await assert.rejects(framesOf(endless()), (error) => error instanceof ApiError && error.code === 'malformed');
      assert.equal(asked, 0);
    });
  }
});
