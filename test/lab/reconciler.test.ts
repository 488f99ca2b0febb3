import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Reconciler } from '../../src/lab/reconciler.ts';

describe('lab: reconciler', () => {
  it('never runs a key twice at once, and runs it again if it changed meanwhile', async () => {
    let running = 0;
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    const reconciler = new Reconciler({
      reconcile: async () => {
        assert.equal(++running, 1);
        runs++;
        await gate.promise;
        running--;
      },
      onError: (_, error) => assert.fail(String(error)),
    });
    reconciler.add('a');
    reconciler.add('a');
    reconciler.add('a');
    gate.resolve();
    await reconciler.idle();
    assert.equal(runs, 2);
  });

  it('runs as many keys at a time as it may', async () => {
    let running = 0;
    let most = 0;
    const reconciler = new Reconciler({
      concurrency: 2,
      reconcile: async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
      },
      onError: (_, error) => assert.fail(String(error)),
    });
    for (const key of ['a', 'b', 'c', 'd', 'e']) reconciler.add(key);
    await reconciler.idle();
    assert.equal(most, 2);
  });

  it('reports a failure, retries, and continues with the others', async () => {
    const failures: string[] = [];
    let tries = 0;
    const second = Promise.withResolvers<void>();
    const reconciler = new Reconciler({
      retryMs: 1,
      reconcile: async (key) => {
        if (key !== 'bad') return;
        if (++tries === 1) throw new Error('once');
        second.resolve();
      },
      onError: (key, error) => failures.push(`${key}: ${(error as Error).message}`),
    });
    reconciler.add('bad');
    reconciler.add('good');
    await second.promise;
    await reconciler.idle();
    assert.deepEqual(failures, ['bad: once']);
    assert.equal(tries, 2);
  });

  it('starts nothing after it was stopped', async () => {
    const seen: string[] = [];
    const reconciler = new Reconciler({
      concurrency: 1,
      retryMs: 1,
      reconcile: async (key) => {
        seen.push(key);
        throw new Error('would be tried again');
      },
      onError: () => {},
    });
    reconciler.add('a');
    reconciler.add('b');
    await reconciler.stop();
    reconciler.add('c');
    await reconciler.idle();
    assert.deepEqual(seen, ['a']);
  });
});
