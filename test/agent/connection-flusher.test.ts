import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ConnectionFlusher, type Flush } from '../../src/agent/connection-flusher.ts';
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
  let reported: Flush[];
  /** Each list of addresses that the flusher told to deny. */
  let told: (readonly string[])[];

  beforeEach(() => {
    pipeline = startPipeline('n1', [namespace('x')], gated);
    clock = new ManualClock();
    abort = new AbortController();
    flushes = [];
    reported = [];
    told = [];
    flusher = new ConnectionFlusher({
      clock,
      signal: abort.signal,
      flushed: (flush) => void reported.push(flush),
      tell(fact) {
        assert.equal(fact.op, 'unflushed');
        told.push(fact.addresses);
        pipeline.receive(fact);
      },
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
  async function fail(error: Error): Promise<void> {
    flushes.at(-1)!.end.reject(error);
    await turn();
  }
  /** What the reconciler does with a change. */
  function apply(): void {
    const deny = (): boolean => {
      const { compiled } = pipeline.plan(undefined);
      return flusher.denyStale(pipeline.snapshot, compiled, compiled.ruleset);
    };
    while (deny());
    flusher.applied();
  }
  async function pass(milliseconds: number): Promise<void> {
    clock.advance(milliseconds);
    await turn();
  }
  /** The pod's object is deleted, and the change is in force. */
  function remove(object: ApiObject): void {
    pipeline.receive(removeOf(object));
    apply();
  }
  function add(object: ApiObject): void {
    pipeline.receive(upsertOf(object));
    apply();
  }
  const isDenied = (address: string): boolean => pipeline.snapshot.denied.get(address)?.size === 2;
  async function afterFirstListing(): Promise<void> {
    apply();
    await pass(1000);
    assert.deepEqual([begun(), flushes[0]!.ranges], [[[]], ['10.1.0.0/24']]);
    await end();
  }

  it('lists the connections once, and then a pod at a clean address is not denied', async () => {
    await afterFirstListing();
    add(web);
    await pass(600_000);
    assert.deepEqual([flushes.length, told], [1, []]);
  });

  it('flushes the addresses that left together, some time after', async () => {
    pipeline.receive(upsertOf(web));
    pipeline.receive(upsertOf(other));
    await afterFirstListing();
    remove(web);
    await pass(500);
    remove(other);
    await pass(500);
    assert.deepEqual(begun().slice(1), [['10.1.0.1', '10.1.0.2']]);
  });

  it('denies an address that passes on before its flush, flushes it at once, and then allows it', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    remove(web);
    pipeline.receive(upsertOf(web));
    const { compiled } = pipeline.plan(undefined);
    assert.equal(flusher.denyStale(pipeline.snapshot, compiled, compiled.ruleset), true);
    assert.equal(isDenied('10.1.0.1'), true);
    await pass(0);
    assert.equal(flushes.length, 1, 'the kernel does not deny it yet');
    apply();
    await pass(0);
    assert.deepEqual([begun()[1], told], [['10.1.0.1'], [['10.1.0.1']]]);
    await end();
    assert.deepEqual([isDenied('10.1.0.1'), told[1]], [false, []]);
    apply();
    await pass(600_000);
    assert.deepEqual([flushes.length, told.length], [2, 2]);
  });

  it('does not allow an address that came to be denied while a flush ran', async () => {
    pipeline.receive(upsertOf(web));
    pipeline.receive(upsertOf(other));
    await afterFirstListing();
    remove(web);
    add(web);
    await pass(0);
    remove(other);
    add(other);
    await end();
    assert.deepEqual([isDenied('10.1.0.1'), isDenied('10.1.0.2')], [false, true]);
    await pass(0);
    assert.deepEqual(begun()[2], ['10.1.0.2']);
    await end();
    assert.equal(isDenied('10.1.0.2'), false);
  });

  it('allows an address only by a flush during which the kernel denied it', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    remove(web);
    add(web);
    await pass(0);
    flusher.distrust();
    flusher.applied();
    await end();
    assert.equal(isDenied('10.1.0.1'), true);
    await pass(0);
    await end();
    assert.equal(isDenied('10.1.0.1'), false);
  });

  it('flushes nothing that the kernel may not deny', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    remove(web);
    add(web);
    flusher.distrust();
    await pass(0);
    await end();
    assert.equal(isDenied('10.1.0.1'), true);
  });

  it('takes at most a tenth of the time', async () => {
    pipeline.receive(upsertOf(web));
    apply();
    await pass(1000);
    clock.advance(400);
    await end();
    remove(web);
    add(web);
    await pass(3599);
    assert.equal(flushes.length, 1);
    await pass(1);
    assert.equal(flushes.length, 2);
  });

  it('is not put off by changes', async () => {
    await afterFirstListing();
    add(web);
    remove(web);
    for (let change = 0; change < 4; change++) {
      await pass(250);
      add(other);
      remove(other);
    }
    assert.equal(flushes.length, 2);
  });

  it('is reported if it fails, keeps the address denied, and is tried again more and more seldom', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    remove(web);
    add(web);
    await pass(0);
    const error = new Error('no conntrack');
    await fail(error);
    assert.deepEqual(reported.at(-1), { addresses: ['10.1.0.1'], denied: new Set(['10.1.0.1']), error });
    for (const [index, backoff] of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000].entries()) {
      await pass(backoff - 1);
      assert.deepEqual([flushes.length, isDenied('10.1.0.1')], [index + 2, true]);
      await pass(1);
      assert.equal(flushes.length, index + 3);
      await fail(error);
    }
    await pass(60_000);
    await end();
    assert.deepEqual([isDenied('10.1.0.1'), reported.at(-1)!.error], [false, undefined]);
  });

  it('that fails leaves addresses without a pod to the next one', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    remove(web);
    await pass(1000);
    await fail(new Error('no conntrack'));
    await pass(1000);
    assert.deepEqual(begun()[2], ['10.1.0.1']);
  });

  it('looks for other addresses when the pod ranges change', async () => {
    pipeline.receive(upsertOf(web));
    await afterFirstListing();
    pipeline = startPipeline('n1', [namespace('x'), web], { podCidrs: ['10.1.0.0/24', '10.2.0.0/24'] });
    apply();
    add(pod('x/new', { ips: ['10.2.0.1'] }));
    await pass(0);
    assert.deepEqual([isDenied('10.2.0.1'), begun()[1]], [true, ['10.2.0.1']]);
  });

  it('begins no more once the agent stops', async () => {
    apply();
    abort.abort();
    await pass(600_000);
    assert.deepEqual([flushes.length, clock.pending], [0, 0]);
  });
});
