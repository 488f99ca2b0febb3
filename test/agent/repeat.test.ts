import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { repeat } from '../../src/agent/repeat.ts';

/** Does what each outcome says, in turn, and ends with the last; what was told of failures. */
async function run(...outcomes: readonly ('fine' | 'fails')[]): Promise<{ done: number; told: unknown[] }> {
  const stop = new AbortController();
  const told: unknown[] = [];
  let done = 0;
  await new Promise<void>((resolve) => {
    const task = async (): Promise<void> => {
      const outcome = outcomes[done++];
      if (done === outcomes.length) {
        stop.abort();
        setImmediate(resolve);
      }
      if (outcome === 'fails') throw new Error(`failure ${done}`);
    };
    repeat(1, task, { signal: stop.signal, failed: (error) => told.push((error as Error).message) });
  });
  return { done, told };
}

describe('doing something again and again', () => {
  it('goes on after a failure, and tells of the first of each series', async () => {
    const { done, told } = await run('fine', 'fails', 'fails', 'fine', 'fails', 'fine');
    assert.deepEqual([done, told], [6, ['failure 2', 'failure 5']]);
  });

  it('tells of no failure that comes of its being stopped', async () => {
    assert.deepEqual((await run('fine', 'fails')).told, []);
  });

  it('does nothing more once it is stopped', async () => {
    const stop = new AbortController();
    let done = 0;
    const once = new Promise<void>((resolve) => {
      const task = async (): Promise<void> => {
        done++;
        stop.abort();
        resolve();
      };
      repeat(0, task, { signal: stop.signal, failed: (error) => assert.ifError(error) });
    });
    await once;
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(done, 1);
  });
});
