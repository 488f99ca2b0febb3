import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { KernelTables } from '../../src/agent/kernel-tables.ts';
import { UnsavedMark } from '../../src/agent/unsaved-mark.ts';

const { signal } = new AbortController();
const options = { check: false, signal };
const [set, unset] = ['mark', 'unmark'];

describe('UnsavedMark', () => {
  /** What the kernel was asked, in order. */
  let steps: string[];
  let failures: unknown[];
  let answer: () => Promise<void>;
  let mark: UnsavedMark;
  let kernel: KernelTables;

  const wrap = (inner: UnsavedMark): KernelTables =>
    inner.behind({
      observe: async () => undefined,
      observeChain: async () => undefined,
      async run() {
        steps.push('change');
      },
    });
  beforeEach(() => {
    [steps, failures] = [[], []];
    answer = async () => undefined;
    mark = new UnsavedMark({
      nft: {
        async run(script) {
          steps.push(script.includes('delete') ? unset : set);
          await answer();
        },
      },
      signal,
      failed: (error) => failures.push(error),
    });
    kernel = wrap(mark);
  });

  it('is set before the first newer rule, once until the state is saved', async () => {
    mark.planned(1);
    await kernel.run([], options);
    mark.planned(2);
    await kernel.run([], options);
    assert.deepEqual(steps, [set, 'change', 'change']);
    steps = [];
    await mark.saved(1);
    assert.deepEqual(steps, [], 'revision 2 is not on the disk');
    await mark.saved(2);
    await kernel.run([], options);
    assert.deepEqual(steps, [unset, 'change']);
    mark.planned(3);
    await kernel.run([], options);
    assert.deepEqual(steps, [unset, 'change', set, 'change']);
  });

  it('is not set for a check, nor before anything is planned', async () => {
    await kernel.run([], options);
    mark.planned(1);
    await kernel.run([], { ...options, check: true });
    assert.deepEqual(steps, ['change', 'change']);
  });

  it('is removed by the first save, as an earlier agent may have left it', async () => {
    await mark.saved(4);
    assert.deepEqual(steps, [unset]);
  });

  it('is set again once it is being removed, before a change that comes meanwhile', async () => {
    mark.planned(1);
    await kernel.run([], options);
    steps = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    answer = () => promise;
    const saving = mark.saved(1);
    await new Promise(setImmediate);
    mark.planned(2);
    const changing = kernel.run([], options);
    await new Promise(setImmediate);
    assert.deepEqual(steps, [unset]);
    resolve();
    await Promise.all([saving, changing]);
    assert.deepEqual(steps, [unset, set, 'change']);
  });

  it('is set again after a look at the kernel, which may have lost it', async () => {
    mark.planned(1);
    await kernel.run([], options);
    await kernel.observe(signal);
    await kernel.run([], options);
    assert.deepEqual(steps, [set, 'change', set, 'change']);
  });

  it('does not stop a change if it cannot be set, tries again, and reports the first failure', async () => {
    answer = () => Promise.reject(new Error('nft failed'));
    mark.planned(1);
    await kernel.run([], options);
    await kernel.run([], options);
    answer = async () => undefined;
    await kernel.run([], options);
    await kernel.run([], options);
    assert.deepEqual(steps, [set, 'change', set, 'change', set, 'change', 'change']);
    assert.equal(failures.length, 1);
  });
});
