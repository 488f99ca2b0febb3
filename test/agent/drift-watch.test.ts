import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { DriftWatch } from '../../src/agent/drift-watch.ts';
import type { Transaction } from '../../src/nftables/transactions.ts';
import { ManualClock } from '../support/manual-clock.ts';

class FakeMonitor {
  readonly told: (transaction: Transaction) => void;
  readonly #listening = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<string>();
  readonly listening = this.#listening.promise;
  readonly ended = this.#ended.promise;
  isClosed = false;

  constructor(told: (transaction: Transaction) => void) {
    this.told = told;
  }

  async listen(): Promise<void> {
    this.#listening.resolve();
    await new Promise(setImmediate);
  }

  async end(reason: string): Promise<void> {
    this.#ended.resolve(reason);
    await new Promise(setImmediate);
  }

  close(): void {
    this.isClosed = true;
    this.#ended.resolve('closed');
  }
}

const { signal } = new AbortController();

describe('DriftWatch', () => {
  let clock: ManualClock;
  let monitors: FakeMonitor[];
  let news: string[];
  let watch: DriftWatch;
  let kernel: KernelTables;
  /** How long a look takes. */
  let lookMs: number;
  let suspicions: number;
  const reconciler = { verify: () => Promise.resolve(), suspect: () => void suspicions++ };

  beforeEach(async () => {
    clock = new ManualClock();
    [monitors, news, lookMs, suspicions] = [[], [], 0, 0];
    watch = new DriftWatch({
      clock,
      startMonitor(told) {
        const monitor = new FakeMonitor(told);
        monitors.push(monitor);
        return monitor;
      },
      events: {
        listening: () => news.push('listening'),
        deaf: (reason, retryIn) => news.push(`${reason}, again in ${retryIn / 1000} s`),
      },
    });
    kernel = watch.behind({
      async observe() {
        clock.advance(lookMs);
        return undefined;
      },
      observeChain: () => Promise.resolve(undefined),
      run: (operations) => (operations.length > 0 ? Promise.reject(new Error('refused')) : Promise.resolve()),
    });
    await look();
    await monitors[0]!.listen();
  });

  function look(): Promise<void> {
    return watch.look(reconciler);
  }

  async function expectSuspicion(expected: boolean): Promise<void> {
    suspicions = 0;
    await look();
    assert.equal(suspicions > 0, expected);
  }

  /** All is known. */
  async function observe(): Promise<void> {
    await kernel.observe(signal);
    clock.advance(lookMs * 9);
  }

  it('says when the first nft listens, or has failed', async () => {
    for (const [happens, step] of [
      ['listens', (monitor: FakeMonitor) => monitor.listen()],
      ['fails', (monitor: FakeMonitor) => monitor.end('nft was ended by SIGSEGV')],
    ] as const) {
      const started: FakeMonitor[] = [];
      const first = new DriftWatch({
        clock,
        startMonitor(told) {
          started.push(new FakeMonitor(told));
          return started.at(-1)!;
        },
        events: { listening: () => {}, deaf: () => {} },
      });
      let isSaid = false;
      void first.firstStart.then(() => (isSaid = true));
      await first.look(reconciler);
      await new Promise(setImmediate);
      assert.ok(!isSaid);
      await step(started[0]!);
      assert.ok(isSaid, happens);
    }
  });

  it('knows whether what was last read is current', async () => {
    assert.ok(!watch.isCurrent);
    await observe();
    assert.ok(watch.isCurrent);
    monitors[0]!.told('others');
    assert.ok(watch.isCurrent);
    monitors[0]!.told('ours');
    assert.ok(!watch.isCurrent);
    await observe();
    assert.ok(watch.isCurrent);
    await monitors[0]!.end('nft was ended by SIGSEGV');
    assert.ok(!watch.isCurrent);
  });

  it('wants a look once it listens, for what was before', async () => {
    await expectSuspicion(true);
    await observe();
    await expectSuspicion(false);
  });

  it('wants one after a foreign change, and none after changes of others and of ours', async () => {
    await observe();
    monitors[0]!.told('others');
    await kernel.run([], { check: false, signal });
    monitors[0]!.told('ours');
    await expectSuspicion(false);
    monitors[0]!.told('ours');
    await expectSuspicion(true);
  });

  it('takes no question to the kernel for a write', async () => {
    await observe();
    await kernel.run([], { check: true, signal });
    monitors[0]!.told('ours');
    await expectSuspicion(true);
  });

  it('wants one after a write that failed, and after a look that did', async () => {
    await observe();
    await assert.rejects(kernel.run([{ family: 'ip', verb: 'add table' }], { check: false, signal }));
    await expectSuspicion(true);
    await observe();
    const failing = watch.behind<KernelTables>({
      ...kernel,
      observe: () => Promise.reject(new Error('nft was ended')),
    });
    await assert.rejects(failing.observe(signal));
    await expectSuspicion(true);
  });

  it('where it is not clear that anything has changed, looks a tenth of the time at most', async () => {
    lookMs = 1000;
    await observe();
    await kernel.observe(signal);
    monitors[0]!.told('lost');
    clock.advance(8999);
    await expectSuspicion(false);
    clock.advance(1);
    await expectSuspicion(true);
  });

  it('looks at once where it is', async () => {
    lookMs = 1000;
    await kernel.observe(signal);
    monitors[0]!.told('ours');
    await expectSuspicion(true);
  });

  it('starts another nft, which knows all sets, where this one could not name what has changed, and then wants a look', async () => {
    await observe();
    monitors[0]!.told('unnamed');
    await expectSuspicion(false);
    assert.deepEqual([monitors.length, monitors[0]!.isClosed], [2, true]);
    await expectSuspicion(false);
    await monitors[1]!.listen();
    await expectSuspicion(true);
    assert.deepEqual(news, ['listening', 'listening']);
  });

  it('starts another after very many transactions, for nft remembers something of them', async () => {
    await observe();
    for (let i = 0; i < 20_001; i++) monitors[0]!.told('others');
    await look();
    assert.equal(monitors.length, 2);
  });

  it('says that nft has ended, starts it again, later and later, and then wants a look', async () => {
    await observe();
    await monitors[0]!.end('nft was ended by SIGSEGV');
    await look();
    assert.equal(monitors.length, 1);
    clock.advance(1000);
    await look();
    assert.equal(monitors.length, 2);
    await monitors[1]!.end('nft was ended by SIGSEGV');
    clock.advance(1000);
    await look();
    assert.equal(monitors.length, 2);
    clock.advance(1000);
    await look();
    await monitors[2]!.listen();
    await expectSuspicion(true);
    const ended = (seconds: number): string => `nft was ended by SIGSEGV, again in ${seconds} s`;
    assert.deepEqual(news, ['listening', ended(1), ended(2), 'listening']);
  });

  it('ends what it has started, and starts nothing more', async () => {
    watch.close();
    await new Promise(setImmediate);
    await look();
    assert.deepEqual([monitors.length, monitors[0]!.isClosed, news], [1, true, ['listening']]);
  });
});
