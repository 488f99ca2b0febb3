import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { PolicyTexts } from '../../../src/agent/denials/policy-texts.ts';
import type { JsonObject } from '../../../src/lib/json.ts';

const { signal } = new AbortController();

describe('the texts of policies', () => {
  let now: number;
  let asked: string[];
  let versions: Record<string, string>;
  let answer: (id: string) => JsonObject | undefined;
  let failures: number;
  let texts: PolicyTexts;
  beforeEach(() => {
    [now, asked, versions, failures] = [0, [], {}, 0];
    answer = (id) => ({ id });
    texts = new PolicyTexts({
      async get(id) {
        asked.push(id);
        return answer(id);
      },
      versionOf: (id) => ({ uid: id, resourceVersion: versions[id] ?? '1', generation: 1 }),
      failed: () => failures++,
      now: () => now,
    });
  });

  it('are asked for once for each version', async () => {
    assert.deepEqual(await texts.read(['x/a', 'x/b'], signal), [{ id: 'x/a' }, { id: 'x/b' }]);
    await texts.read(['x/b'], signal);
    assert.deepEqual(asked, ['x/a', 'x/b']);
    versions['x/b'] = '2';
    await texts.read(['x/a', 'x/b'], signal);
    assert.deepEqual(asked, ['x/a', 'x/b', 'x/b']);
  });

  it('leave out what is not there', async () => {
    answer = (id) => (id === 'x/a' ? undefined : { id });
    assert.deepEqual(await texts.read(['x/a', 'x/b'], signal), [{ id: 'x/b' }]);
  });

  it('are not known while the API server cannot be asked, which is not tried again for half a minute', async () => {
    answer = () => {
      throw new Error('gone');
    };
    assert.equal(await texts.read(['x/a'], signal), undefined);
    answer = (id) => ({ id });
    now = 29_999;
    assert.equal(await texts.read(['x/a'], signal), undefined);
    assert.deepEqual([asked.length, failures], [1, 1]);
    now = 30_000;
    assert.deepEqual(await texts.read(['x/a'], signal), [{ id: 'x/a' }]);
  });

  it('are had without asking where they are known, whatever the API server does', async () => {
    await texts.read(['x/a'], signal);
    answer = () => {
      throw new Error('gone');
    };
    await texts.read(['x/b'], signal);
    assert.deepEqual(await texts.read(['x/a'], signal), [{ id: 'x/a' }]);
  });

  it('are forgotten rather than kept without end', async () => {
    answer = (id) => ({ id, long: 'x'.repeat(90_000) });
    for (let i = 0; i < 45; i++, now += 1000) await texts.read([`x/${i}`], signal);
    await texts.read(['x/44'], signal);
    assert.equal(asked.length, 45);
    await texts.read(['x/0'], signal);
    assert.equal(asked.length, 46);
  });

  it('are not kept where they are too long, nor asked for again', async () => {
    answer = (id) => ({ id, long: 'x'.repeat(100_000) });
    assert.equal(await texts.read(['x/a'], signal), undefined);
    assert.equal(await texts.read(['x/a'], signal), undefined);
    assert.equal(asked.length, 1);
  });

  it('are asked for five at once and then one a second, until all are known', async () => {
    const ids = ['1', '2', '3', '4', '5', '6', '7'].map((name) => `x/${name}`);
    assert.equal(await texts.read(ids, signal), undefined);
    assert.equal(asked.length, 5);
    now = 1000;
    assert.equal(await texts.read(ids, signal), undefined);
    assert.equal(asked.length, 6);
    now = 2000;
    assert.equal((await texts.read(ids, signal))?.length, 7);
  });

  it('are not asked for where a pod has hundreds', async () => {
    assert.equal(
      await texts.read(
        Array.from({ length: 101 }, (_, i) => `x/${i}`),
        signal,
      ),
      undefined,
    );
    assert.deepEqual(asked, []);
  });
});
