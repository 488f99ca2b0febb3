import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { podObject } from './objects.ts';
import { RunningServer } from './running-server.ts';

const watchPods = '/api/v1/namespaces/default/pods?watch=1';

describe('a watch over HTTP', () => {
  let server: RunningServer;
  beforeEach(async () => void (server = await RunningServer.start(10)));
  afterEach(() => server.close());

  it('streams what happens, one line an event', async () => {
    server.store.create('pods', podObject('a'));
    const events = server.watch(`${watchPods}&resourceVersion=0`);
    assert.equal(nameOf(await take(events)), 'ADDED a');
    server.store.create('pods', podObject('b'));
    server.store.delete('pods', { namespace: 'default', name: 'a' });
    assert.deepEqual([nameOf(await take(events)), nameOf(await take(events))], ['ADDED b', 'DELETED a']);
    await events.return(undefined);
  });

  it('answers a compacted version with an ERROR event that carries 410, and ends', async () => {
    server.store.create('pods', podObject('a'));
    const version = server.store.resourceVersion;
    server.store.create('pods', podObject('b'));
    server.store.compact();
    const events = await collect(server.watch(`${watchPods}&resourceVersion=${version}`));
    assert.equal(events.length, 1);
    assert.deepEqual(
      [events[0].type, events[0].object.kind, events[0].object.code, events[0].object.reason],
      ['ERROR', 'Status', 410, 'Expired'],
    );
  });

  it('ends with 410 when its history is compacted', async () => {
    const events = server.watch(`${watchPods}&resourceVersion=${server.store.resourceVersion}`);
    server.store.create('pods', podObject('a'));
    assert.equal(nameOf(await take(events)), 'ADDED a');
    server.store.expireWatches();
    assert.equal((await take(events)).object.code, 410);
    assert.ok((await events.next()).done);
  });

  it('sends bookmarks of the newest version to those that allow them, other resources counting too', async () => {
    const events = server.watch(
      `${watchPods}&allowWatchBookmarks=true&resourceVersion=${server.store.resourceVersion}`,
    );
    const first = await take(events);
    assert.deepEqual([first.type, first.object.kind, first.object.metadata.name], ['BOOKMARK', 'Pod', undefined]);
    server.store.create('configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', namespace: 'default' },
    });
    const version = server.store.resourceVersion;
    for (;;) {
      const { type, object } = await take(events);
      assert.equal(type, 'BOOKMARK');
      if (object.metadata.resourceVersion === version) break;
    }
    await events.return(undefined);
  });

  it('ends when its time is over', async () => {
    const events = await collect(server.watch(`${watchPods}&timeoutSeconds=1&resourceVersion=1`));
    assert.deepEqual(events, []);
  });

  it('comes as tables too', async () => {
    server.store.create('pods', podObject('a'));
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const events = server.watch(watchPods, { accept });
    const { type, object } = await take(events);
    assert.deepEqual([type, object.kind, object.rows[0].cells[0]], ['ADDED', 'Table', 'a']);
    await events.return(undefined);
  });

  it('ends when the server closes', async () => {
    const other = await RunningServer.start();
    other.store.create('pods', podObject('a'));
    const events = other.watch(watchPods);
    await take(events);
    const end = events.next().catch(() => ({ done: true }));
    await other.close();
    assert.ok((await end).done);
  });
});

type WatchEvents = ReturnType<RunningServer['watch']>;

async function take(events: WatchEvents) {
  const { done, value } = await events.next();
  assert.ok(!done, 'the watch ended');
  return value;
}

async function collect(events: WatchEvents) {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
}

function nameOf({ type, object }: { type: string; object: { metadata: { name: string } } }): string {
  return `${type} ${object.metadata.name}`;
}
