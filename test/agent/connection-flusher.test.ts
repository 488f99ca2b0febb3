import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ConnectionFlusher } from '../../src/agent/connection-flusher.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { namespace, pod } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';

const gated = { podCidrs: ['10.1.0.0/24'] };
const web = pod('x/web', { ips: ['10.1.0.1'] });
const other = pod('x/other', { ips: ['10.1.0.2'] });

describe('flushing the connections of pods that have gone (S5.17)', () => {
  let pipeline: Pipeline;
  let clock: ManualClock;
  let abort: AbortController;
  let flusher: ConnectionFlusher;
  /** The flushes that have begun, and how to end each. */
  let flushes: { addresses: readonly string[]; ranges: readonly string[]; end: PromiseWithResolvers<Set<string>> }[];
  let reported: unknown[];

  beforeEach(() => {
    pipeline = startPipeline('n1', [namespace('x')], gated);
    clock = new ManualClock();
    abort = new AbortController();
    flushes = [];
    reported = [];
    flusher = new ConnectionFlusher({
      clock,
      signal: abort.signal,
      flushed: (_addresses, error) => reported.push(error),
      flush(addresses, ranges) {
        const end = Promise.withResolvers<Set<string>>();
        flushes.push({ addresses, ranges, end });
        return end.promise;
      },
    });
  });

  const begun = (): (readonly string[])[] => flushes.map(({ addresses }) => addresses);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  async function end(...named: string[]): Promise<void> {
    flushes.at(-1)!.end.resolve(new Set(named));
    await turn();
  }
  /** Whether the change need not wait any more, once the event loop has turned. */
  function change(): () => Promise<boolean> {
    let isReady = false;
    const { ruleset } = pipeline.plan(undefined).compiled;
    void flusher
      .beforeChange(pipeline.snapshot, pipeline.plan(undefined).compiled, ruleset)
      .then(() => (isReady = true));
    return () => turn().then(() => isReady);
  }
  async function apply(): Promise<void> {
    assert.equal(await change()(), true);
    flusher.afterChange();
  }
  async function pass(milliseconds: number): Promise<void> {
    clock.advance(milliseconds);
    await turn();
  }
  /** The pod's object is deleted, and the change is in force. */
  async function remove(object: ApiObject): Promise<void> {
    pipeline.receive(removeOf(object));
    await apply();
  }
  async function afterFirstListing(): Promise<void> {
    await apply();
    await pass(1000);
    assert.deepEqual([begun(), flushes[0]!.ranges], [[[]], ['10.1.0.0/24']]);
    await end();
  }

  it('lists the connections once, and then a pod at a clean address waits for nothing', async () => {
    await afterFirstListing();
    pipeline.receive(upsertOf(web));
    await apply();
    await pass(600_000);
    assert.equal(flushes.length, 1);
  });

  it('flushes the addresses that left together, some time after', async () => {
    pipeline.receive(upsertOf(web));
    pipeline.receive(upsertOf(other));
    await afterFirstListing();
    await remove(web);
    await remove(other);
    await pass(1000);
    assert.deepEqual(begun().slice(1), [['10.1.0.1', '10.1.0.2']]);
  });

  it('of an address that passes on must end first, and one in the background before it', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    await remove(web);
    await pass(1000);
    pipeline.receive(upsertOf(web));
    const isReady = change();
    assert.deepEqual([await isReady(), flushes.length], [false, 2]);
    await end();
    assert.deepEqual([await isReady(), begun()[2]], [false, ['10.1.0.1']]);
    await end();
    assert.equal(await isReady(), true);
  });

  it('holds up a change also when it is tried again', async () => {
    pipeline.receive(upsertOf(web));
    await apply();
    await remove(web);
    pipeline.receive(upsertOf(web));
    change();
    const isReady = change();
    assert.deepEqual([await isReady(), begun()], [false, [['10.1.0.1']]]);
    await end();
    assert.equal(await isReady(), true);
  });

  it('takes at most a tenth of the time', async () => {
    pipeline.receive(upsertOf(web));
    await apply();
    await pass(1000);
    clock.advance(400);
    await end();
    await remove(web);
    await pass(4599);
    assert.equal(flushes.length, 1);
    await pass(1);
    assert.equal(flushes.length, 2);
  });

  it('is reported if it fails, lets a change go on, and is tried again a minute later', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    await remove(web);
    await pass(1000);
    const error = new Error('no conntrack');
    flushes[1]!.end.reject(error);
    await turn();
    assert.deepEqual(reported, [undefined, error]);
    await pass(59_999);
    assert.equal(flushes.length, 2);
    pipeline.receive(upsertOf(web));
    const isReady = change();
    await turn();
    flushes[2]!.end.reject(error);
    assert.equal(await isReady(), true);
    flusher.afterChange();
    await remove(web);
    await pass(1);
    assert.deepEqual(begun()[3], ['10.1.0.1']);
  });

  it('looks for other addresses when the pod ranges change', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    pipeline = startPipeline('n1', [namespace('x'), web], { podCidrs: ['10.1.0.0/24', '10.2.0.0/24'] });
    await apply();
    pipeline.receive(upsertOf(pod('x/new', { ips: ['10.2.0.1'] })));
    const isReady = change();
    assert.deepEqual([await isReady(), begun()[1]], [false, ['10.2.0.1']]);
  });

  it('begins no more once the agent stops', async () => {
    await apply();
    abort.abort();
    await pass(600_000);
    assert.deepEqual([flushes.length, clock.pending], [0, 0]);
  });
});
