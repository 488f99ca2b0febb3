import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { splitLines } from '../../src/watch/json-lines.ts';

async function linesOf(chunks: readonly Uint8Array[]): Promise<string[]> {
  async function* give(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const lines: string[] = [];
  for await (const line of splitLines(give())) lines.push(line);
  return lines;
}

describe('splitting a stream into lines', () => {
  it('gives the same lines wherever the chunks are cut, inside a character too', async () => {
    const line = fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => `|${text.replace(/[\r\n]/g, '')}|`);
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
        const offsets = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const chunks = offsets.slice(1).map((end, index) => bytes.subarray(offsets[index], end));
        assert.deepEqual(await linesOf(chunks), lines);
      }),
    );
  });

  it('drops a last line without its end', async () => {
    assert.deepEqual(await linesOf([Buffer.from('one\r\n\ntw'), Buffer.from('o')]), ['one']);
  });

  it('joins a line of many megabytes', async () => {
    const chunk = Buffer.alloc(1 << 16, 0x61);
    const [line] = await linesOf([...Array.from({ length: 256 }, () => chunk), Buffer.from('\n')]);
    assert.equal(line!.length, 256 << 16);
  });
});
