import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { PodFetcher } from '../../src/agent/pod-fetcher.ts';
import type { NodeFact, Pod, Sandbox } from '../../src/model/cluster.ts';
import { pod } from '../support/objects.ts';
import { upsertOf } from '../support/pipeline.ts';
import { ManualClock } from '../support/manual-clock.ts';

function sandbox(id: string, name: string, uid: string): Sandbox {
  return { id, namespace: 'x', name, uid, addresses: ['10.1.0.1'], link: undefined, live: true, order: 1 };
}

function podOf(name: string, uid: string, more: Partial<Pod> = {}): Pod {
  const { value } = upsertOf(pod(`x/${name}`, {})) as { value: unknown };
  return { ...(value as Pod), uid, ...more };
}

/** A question that waits for its answer. */
interface Asked {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly answer: (pod: Pod | undefined) => Promise<void>;
  readonly fail: () => Promise<void>;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('PodFetcher', () => {
  let abort: AbortController;
  let clock: ManualClock;
  let asked: Asked[];
  let told: string[];
  let results: string[];
  let fetcher: PodFetcher;

  beforeEach(() => {
    abort = new AbortController();
    clock = new ManualClock();
    [asked, told, results] = [[], [], []];
    fetcher = new PodFetcher({
      get: ({ name }, signal) =>
        new Promise((resolve, reject) => {
          const answer = (found: Pod | undefined): Promise<void> => (resolve(found), turn());
          const fail = (): Promise<void> => (reject(new Error('no answer')), turn());
          asked.push({ name, signal, answer, fail });
        }),
      tell: (fact: NodeFact) => {
        if (fact.op === 'fetched') told.push(`${fact.key} ${fact.value?.uid ?? 'none'}`);
      },
      finished: (result, { name }) => results.push(`${result} ${name}`),
      clock,
      signal: abort.signal,
    });
  });
  afterEach(() => abort.abort());
  const names = (): string[] => asked.map(({ name }) => name);

  it('asks for the pod of a sandbox that is not known, once', async () => {
    const one = sandbox('s1', 'a', 'u1');
    fetcher.want([one]);
    fetcher.want([one]);
    await asked[0]!.answer(podOf('a', 'u1'));
    fetcher.want([]);
    assert.deepEqual([names(), told, results], [['a'], ['x/a u1'], ['found a']]);
  });

  it('takes a static pod by the uid that its sandbox bears', async () => {
    fetcher.want([sandbox('s1', 'a', 'static')]);
    await asked[0]!.answer(podOf('a', 'u1', { mirrorOf: 'static' }));
    assert.deepEqual(told, ['x/a u1']);
  });

  for (const [what, found] of [
    ['no such pod', undefined],
    ['another pod of that name', podOf('a', 'u2')],
  ] as const) {
    it(`tells nothing where there is ${what}, and does not ask again`, async () => {
      const one = sandbox('s1', 'a', 'u1');
      fetcher.want([one]);
      await asked[0]!.answer(found);
      clock.advance(600_000);
      fetcher.want([one]);
      assert.deepEqual([names(), told, results], [['a'], [], ['missing a']]);
    });
  }

  it('asks at most four at once, each for two seconds at most', async () => {
    fetcher.want(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => sandbox(`s-${name}`, name, 'u')));
    assert.deepEqual(names(), ['a', 'b', 'c', 'd']);
    await asked[1]!.answer(undefined);
    assert.deepEqual(names(), ['a', 'b', 'c', 'd', 'e']);
    await new Promise((resolve) => asked[0]!.signal.addEventListener('abort', resolve));
    assert.equal((asked[0]!.signal.reason as Error).name, 'TimeoutError');
  });

  it('asks again after a failure, later and later', async () => {
    const one = sandbox('s1', 'a', 'u1');
    fetcher.want([one]);
    for (const wait of [200, 400, 800]) {
      const before = asked.length;
      await asked.at(-1)!.fail();
      clock.advance(wait - 1);
      fetcher.want([one]);
      assert.equal(asked.length, before);
      clock.advance(1);
      assert.equal(asked.length, before + 1);
    }
    await asked.at(-1)!.answer(podOf('a', 'u1'));
    assert.deepEqual([told, results], [['x/a u1'], ['failed a', 'failed a', 'failed a', 'found a']]);
  });

  it('does not tell of a sandbox that nobody asks about any more', async () => {
    fetcher.want([sandbox('s1', 'a', 'u1')]);
    fetcher.want([]);
    await asked[0]!.answer(podOf('a', 'u1'));
    assert.deepEqual([told, results, clock.pending], [[], [], 0]);
  });

  for (const [what, value] of [
    ['gone', undefined],
    ['not live', { ...sandbox('s1', 'a', 'u1'), live: false }],
  ] as const) {
    it(`takes back what it told when the sandbox is ${what}`, async () => {
      fetcher.want([sandbox('s1', 'a', 'u1')]);
      await asked[0]!.answer(podOf('a', 'u1'));
      fetcher.receive({ op: 'sandbox', id: 's1', value });
      assert.deepEqual([told, clock.pending], [['x/a u1', 'x/a none'], 0]);
    });
  }

  it('looks again whether a pod that the watch has not brought is still there', async () => {
    fetcher.want([sandbox('s1', 'a', 'u1')]);
    await asked[0]!.answer(podOf('a', 'u1'));
    fetcher.want([]);
    clock.advance(10_000);
    await asked[1]!.answer(podOf('a', 'u1', { labels: { new: 'yes' } }));
    clock.advance(10_000);
    await asked[2]!.answer(undefined);
    clock.advance(600_000);
    assert.deepEqual([asked.length, told], [3, ['x/a u1', 'x/a u1', 'x/a none']]);
  });

  it('leaves a pod to the watch once that has brought it', async () => {
    fetcher.want([sandbox('s1', 'a', 'u1')]);
    await asked[0]!.answer(podOf('a', 'u1'));
    const event = upsertOf(pod('x/a', {}));
    fetcher.receive({ ...event, value: podOf('a', 'other') } as typeof event);
    assert.equal(clock.pending, 1);
    fetcher.receive({ ...event, value: podOf('a', 'u1') } as typeof event);
    assert.equal(clock.pending, 0);
    fetcher.receive({ op: 'sandbox', id: 's1', value: undefined });
    assert.deepEqual(told, ['x/a u1']);
  });

  it('does not take back the pod that has the name now, when an older sandbox ends', async () => {
    fetcher.want([sandbox('s1', 'a', 'u1')]);
    await asked[0]!.answer(podOf('a', 'u1'));
    fetcher.want([sandbox('s2', 'a', 'u2')]);
    await asked[1]!.answer(podOf('a', 'u2'));
    fetcher.receive({ op: 'sandbox', id: 's1', value: undefined });
    assert.deepEqual(told, ['x/a u1', 'x/a u2']);
  });

  it('ends with the agent', async () => {
    fetcher.want([sandbox('s1', 'a', 'u1'), sandbox('s2', 'b', 'u2')]);
    await asked[0]!.fail();
    abort.abort();
    await asked[1]!.answer(podOf('b', 'u2'));
    fetcher.want([sandbox('s3', 'c', 'u3')]);
    assert.deepEqual([names(), told, clock.pending], [['a', 'b'], [], 0]);
  });
});
