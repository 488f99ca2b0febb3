import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { decodeState } from '../../src/state/state-text.ts';
import { StateWriter } from '../../src/state/state-writer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { emptySnapshot, type LocalPod } from '../../src/model/snapshot.ts';
import { shopDesk } from './samples.ts';

describe('StateWriter', () => {
  let clock: ManualClock;
  let snapshot: Snapshot;
  /** When each text was written, and the ranges in it. */
  let written: [at: number, ranges: string][];
  let problems: unknown[];
  /** The revisions that the disk holds. */
  let current: number[];
  let write: (text: string) => Promise<void>;
  let writer: StateWriter;

  beforeEach(() => {
    clock = new ManualClock();
    snapshot = emptySnapshot;
    written = [];
    problems = [];
    current = [];
    write = async () => undefined;
    writer = new StateWriter({
      node: 'n1',
      snapshot: () => snapshot,
      async write(chunks) {
        const text = chunks.join('');
        await write(text);
        const decoded = decodeState(text);
        assert.ok('state' in decoded && decoded.node === 'n1');
        written.push([clock.now(), decoded.state.gatedRanges.join()]);
      },
      clock,
      observer: {
        current: (revision) => current.push(revision),
        saved: (bytes) => assert.ok(bytes > 100),
        failed: (error, retryInMs) => problems.push([clock.now(), error, retryInMs]),
      },
    });
  });

  function change(...gatedRanges: string[]): void {
    snapshot = { ...emptySnapshot, gatedRanges };
    writer.changed();
  }

  /** Until whatever can be done now is done. */
  async function turn(): Promise<void> {
    await new Promise(setImmediate);
  }

  async function advance(milliseconds: number): Promise<void> {
    clock.advance(milliseconds);
    await turn();
  }

  it('writes a change at once, and the newest of those of a second when it is over', async () => {
    change('a');
    await turn();
    change('b');
    change('c');
    await advance(999);
    assert.deepEqual(written, [[0, 'a']]);
    await advance(1);
    assert.deepEqual(written, [
      [0, 'a'],
      [1000, 'c'],
    ]);
    assert.equal(clock.pending, 0);
  });

  it('writes nothing that is on the disk already', async () => {
    change('a');
    await turn();
    snapshot = { ...snapshot, revision: 9 };
    writer.changed();
    await advance(1000);
    assert.deepEqual(written, [[0, 'a']]);
    assert.deepEqual(current, [0, 9], 'but it is the state of the newer revision');
  });

  it('writes one at a time, and then what has changed meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    write = () => promise;
    change('a');
    change('b');
    snapshot = { ...snapshot, revision: 5 };
    await advance(2000);
    assert.deepEqual([written, current], [[], []]);
    resolve();
    await turn();
    assert.equal(current[0], 0, 'the revision when the write began');
    // It took 2 s of which 1/100 may be writing.
    await advance(197_999);
    assert.deepEqual(written, [[2000, 'a']]);
    await advance(1);
    assert.deepEqual(written.at(-1), [200_000, 'b']);
  });

  it('tells a failure, tries again later, and then writes what is true by then', async () => {
    const full = new Error('disk full');
    write = () => Promise.reject(full);
    change('a');
    await turn();
    assert.deepEqual(problems, [[0, full, 30_000]]);
    write = async () => undefined;
    change('b');
    await advance(29_999);
    assert.deepEqual(written, []);
    await advance(1);
    assert.deepEqual([written, problems.length], [[[30_000, 'b']], 1]);
  });

  it('writes at its end what waits, whatever the time, and leaves no timer', async () => {
    change('a');
    await turn();
    change('b');
    change('c');
    await writer.finish();
    assert.deepEqual([written.at(-1), clock.pending], [[0, 'c'], 0]);
  });

  it('waits at its end for what is being written, and ends although the disk is full', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    write = () => promise;
    change('a');
    const finished = writer.finish();
    reject(new Error('disk full'));
    await finished;
    assert.deepEqual([written, problems.length, clock.pending], [[], 2, 0]);
  });

  it('has nothing to do at its end where nothing has changed', async () => {
    await writer.finish();
    assert.deepEqual(written, []);
  });

  describe('with a state that takes longer than one slice to encode', () => {
    /** What was written, by its pods. */
    let states: (readonly string[])[];
    let localPods: Map<string, LocalPod>;

    beforeEach(() => {
      states = [];
      const pods = Array.from({ length: 100 }, (_, index): LocalPod => ({
        ...shopDesk,
        key: `shop/pod-${index + 100}/u`,
      }));
      localPods = new Map(pods.map((pod) => [pod.key, pod]));
      snapshot = { ...emptySnapshot, localPods };
      let passed = 0;
      writer = new StateWriter({
        node: 'n1',
        snapshot: () => snapshot,
        async write(chunks) {
          await write('');
          const decoded = decodeState(chunks.join(''));
          assert.ok('state' in decoded);
          states.push([...decoded.state.localPods.keys()]);
        },
        // Each look at the clock takes half a millisecond, so a slice of 2 ms has a few steps.
        clock: { now: () => clock.now() + (passed += 0.5), after: (ms, callback) => clock.after(ms, callback) },
        observer: { current: () => undefined, saved: () => undefined, failed: (error) => problems.push(error) },
      });
    });

    /** Pauses that have ended. */
    async function passPauses(most: number): Promise<number> {
      let count = 0;
      for (; count < most && states.length === 0; count++) {
        assert.equal(clock.pending, 1);
        await advance(10);
      }
      return count;
    }

    it('pauses between slices, and then writes the whole', async () => {
      const all = [...localPods.keys()];
      writer.changed();
      const pauses = await passPauses(1000);
      assert.ok(pauses > 20, `${pauses} pauses`);
      assert.deepEqual([states, problems], [[all], []]);
    });

    it('writes the state of the moment at which it began, and then what has changed meanwhile', async () => {
      const all = [...localPods.keys()];
      writer.changed();
      await passPauses(5);
      localPods.delete(all[99]!);
      writer.changed();
      await passPauses(5);
      localPods.delete(all[0]!);
      writer.changed();
      await passPauses(1000);
      assert.deepEqual(states, [all]);
      while (states.length < 2) await advance(1000);
      assert.deepEqual(states[1], all.slice(1, 99));
      await advance(250_000);
      assert.deepEqual([states.length, clock.pending, problems], [2, 0, []]);
    });

    it('does not count its pauses as work', async () => {
      writer.changed();
      const pauses = await passPauses(1000);
      const [wroteAt, all] = [clock.now(), [...localPods.keys()]];
      localPods.delete(all[0]!);
      writer.changed();
      // The work took at most 3 ms a slice.
      await advance(pauses * 3 * 100);
      while (clock.pending > 0) await advance(10);
      assert.equal(states.length, 2);
      assert.ok(clock.now() - wroteAt < pauses * 10 * 100);
    });

    it('ends at once if the agent ends, with the newest state', async () => {
      const all = [...localPods.keys()];
      writer.changed();
      await passPauses(5);
      localPods.delete(all[0]!);
      writer.changed();
      await writer.finish();
      assert.deepEqual([states.at(-1), clock.pending], [all.slice(1), 0]);
    });
  });
});
