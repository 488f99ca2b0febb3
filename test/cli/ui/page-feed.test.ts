import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { PageFeed, type PagePart, type PartReader } from '../../../src/cli/ui/page-feed.ts';
import { SharedRead } from '../../../src/cli/ui/shared-read.ts';
import type { PageData } from '../../../src/map/page-data.ts';
import { pod } from '../../support/objects.ts';

let now = 0;
const clocks = { wall: () => 1_000_000 + now, steady: () => now };

/** A read that ends when the test says so. */
class Reads<Value> {
  count = 0;
  #pending = Promise.withResolvers<Value>();

  readonly read = (): Promise<Value> => {
    this.count++;
    return (this.#pending = Promise.withResolvers<Value>()).promise;
  };

  end(value: Value): void {
    this.#pending.resolve(value);
  }

  fail(message: string): void {
    this.#pending.reject(new Error(message));
  }
}

describe('a read that many share', () => {
  let reads: Reads<number>;
  let shared: SharedRead<number>;
  beforeEach(() => {
    now = 0;
    reads = new Reads();
    shared = new SharedRead(reads.read, 1000, clocks);
  });

  it('runs once, however many ask', async () => {
    const asked = Array.from({ length: 100 }, () => shared.refresh());
    equal(reads.count, 1);
    reads.end(7);
    await Promise.all(asked);
    deepEqual(shared.state, { reads: 1, last: { value: 7, at: 1_000_000 } });
  });

  it('pauses between two', async () => {
    for (const [time, count] of [
      [0, 1],
      [999, 1],
      [1000, 2],
      [1500, 2],
      [2000, 3],
    ] as const) {
      now = time;
      const asked = shared.refresh();
      reads.end(time);
      await asked;
      equal(reads.count, count, `${time} ms`);
    }
  });

  it('pauses for longer after a slow one, and after one that failed', async () => {
    const asked = shared.refresh();
    now = 2000;
    reads.fail('too slow');
    await asked;
    now = 9999;
    await shared.refresh();
    equal(reads.count, 1);
    now = 10_000;
    void shared.refresh();
    equal(reads.count, 2);
  });

  it('keeps what it had if the next one fails', async () => {
    const first = shared.refresh();
    reads.end(7);
    await first;
    now = 1000;
    const second = shared.refresh();
    reads.fail('gone');
    await second;
    deepEqual(shared.state.last, { value: 7, at: 1_000_000 });
    match(String(shared.state.failure), /gone/);
  });
});

describe('what the page is fed with', () => {
  const source = { kind: 'cluster', name: 'c' } as const;
  let [objects, flows, slow] = [new Reads<PagePart>(), new Reads<PagePart>(), new Reads<PagePart>()];
  let feed: PageFeed;
  let patience: PromiseWithResolvers<void>;
  beforeEach(() => {
    now = 0;
    [objects, flows, slow] = [new Reads(), new Reads(), new Reads()];
    patience = Promise.withResolvers();
    const parts: PartReader[] = [
      { name: 'objects', read: objects.read, pauseMs: 1000 },
      { name: 'flows', read: flows.read, pauseMs: 500 },
      { name: 'findings', read: slow.read, pauseMs: 1000, isSlow: true },
    ];
    feed = new PageFeed(source, parts, { ...clocks, patience: () => patience.promise });
  });
  const latest = async (): Promise<{ data: PageData; etag: string }> => {
    const { json, etag } = await feed.latest();
    return { data: JSON.parse(json) as PageData, etag };
  };
  const begin = async (): Promise<void> => {
    const begun = feed.begin();
    objects.end({ objects: [pod('shop/web')], notes: ['a'] });
    await turn();
    flows.end({ notes: ['b'] });
    await begun;
  };

  it('reads the objects first, then the flows, and does not wait for findings', async () => {
    const begun = feed.begin();
    deepEqual([objects.count, flows.count, slow.count], [1, 0, 0]);
    objects.end({ objects: [pod('shop/web')] });
    await turn();
    deepEqual([objects.count, flows.count, slow.count], [1, 1, 0]);
    flows.end({});
    await begun;
    equal(slow.count, 1);
    deepEqual(feed.data().notes, ['findings: not read yet']);
    slow.end({ findings: [] });
    await turn();
    deepEqual(feed.data().notes, []);
  });

  it('rejects if there is nothing to show', async () => {
    const begun = feed.begin();
    objects.fail('no cluster');
    await rejects(begun, /no cluster/);
  });

  it('says that a part is missing, or old', async () => {
    const begun = feed.begin();
    objects.end({ objects: [pod('shop/web')], shows: 'part' });
    await turn();
    flows.fail('no agent\u001b[31m');
    await begun;
    deepEqual(feed.data().notes, ['flows: missing: no agent?[31m', 'findings: not read yet']);
    now = 1000;
    const asked = feed.latest();
    objects.fail('timeout');
    await turn();
    flows.end({});
    await asked;
    const { notes, shows, objects: kept, readAt } = feed.data();
    equal(notes[0], 'objects: as of 1970-01-01T00:16:40.000Z, because the last try failed: timeout');
    deepEqual([shows, kept.length, readAt], ['part', 1, '1970-01-01T00:16:40.000Z']);
  });

  it('answers all with one read, and with what it had if that takes long', async () => {
    await begin();
    now = 1000;
    const asked = Array.from({ length: 50 }, latest);
    await turn();
    deepEqual([objects.count, flows.count], [2, 1]);
    patience.resolve();
    for (const { data } of await Promise.all(asked)) deepEqual(data.notes.slice(0, 2), ['a', 'b']);
    objects.end({ notes: ['c'] });
    await turn();
    flows.end({ notes: ['d'] });
    await turn();
    deepEqual((await latest()).data.notes.slice(0, 2), ['c', 'd']);
    deepEqual([objects.count, flows.count], [2, 2]);
  });

  it('has an etag that changes with the content, and not with the time', async () => {
    await begin();
    const first = await latest();
    now = 500;
    const again = latest();
    await turn();
    flows.end({ notes: ['b'] });
    await turn();
    equal((await again).etag, first.etag);
    match(first.etag, /^"[\w-]{43}"$/);
    now = 1000;
    const third = latest();
    await turn();
    objects.end({ notes: ['c'] });
    await turn();
    flows.end({ notes: ['b'] });
    notEqual((await third).etag, first.etag);
    equal((await third).data.readAt, new Date(1_001_000).toISOString());
  });

  it('keeps hostile names as they are, in JSON', async () => {
    const name = '</script><img src=x onerror=alert(1)>\u202e\u2028"\\';
    const begun = feed.begin();
    objects.end({ objects: [{ kind: 'Pod', metadata: { name } }] });
    await turn();
    flows.end({});
    await begun;
    const { data } = await latest();
    deepEqual(data.objects, [{ kind: 'Pod', metadata: { name } }]);
    ok(data.source.kind === 'cluster');
  });
});

/** Lets everything run that waits for nothing. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
