import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { openGenerationReader } from '../../src/apply/generation.ts';

describe('the question for the generation of the rules', () => {
  it('opens another socket if one could not be opened', async () => {
    const failures = ['no memory', 'no koffi'];
    const reader = openGenerationReader(() => Promise.reject(new Error(failures.shift())));
    await assert.rejects(reader.read(), /no memory/);
    await assert.rejects(reader.read(), /no koffi/);
  });

  it('opens another socket if one gave no answer', async () => {
    let opened = 0;
    let closed = 0;
    const socket = { send: async () => {}, ask: () => {}, receive: () => undefined, close: () => void closed++ };
    const reader = openGenerationReader(async () => {
      opened++;
      return socket;
    });
    for (let i = 0; i < 2; i++) await assert.rejects(reader.read(), /did not answer/);
    assert.equal(opened, 2);
    // The socket closes when its opening has settled.
    await new Promise(setImmediate);
    assert.equal(closed, 2);
  });
});
