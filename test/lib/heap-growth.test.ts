import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { HeapGrowth } from '../../src/lib/heap-growth.ts';

describe('HeapGrowth', () => {
  it('is generous from the first that begins to the last that ends, failed ones too', async () => {
    const set: number[] = [];
    const growth = new HeapGrowth((percent) => void set.push(percent));
    const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    const both = [growth.during(() => first.promise), growth.during(() => second.promise)];
    first.resolve('read');
    assert.equal(await both[0], 'read');
    assert.deepEqual(set, [100]);
    second.reject(new Error('no answer'));
    await assert.rejects(both[1]!, /no answer/);
    assert.deepEqual(set, [100, 0]);
    await growth.during(async () => assert.deepEqual(set, [100, 0, 100]));
    assert.deepEqual(set, [100, 0, 100, 0]);
  });
});
