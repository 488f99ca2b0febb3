import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Selection } from '../../../src/lab/api/listing.ts';
import { Store } from '../../../src/lab/api/store.ts';
import { podObject } from './objects.ts';

const key = { namespace: 'default', name: 'a' };

describe('a watch', () => {
  it('without a version begins with the present objects, with a version with later events', () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    const version = store.resourceVersion;
    store.create('pods', podObject('b'));
    assert.deepEqual(record(store, {}, ''), ['ADDED a', 'ADDED b']);
    assert.deepEqual(record(store, {}, version), ['ADDED b']);
  });

  it('sees an object that enters or leaves its selection come and go, under the version at which it did', () => {
    const store = new Store();
    store.create('pods', podObject('a', { labels: { app: 'web' } }));
    const seen: string[] = [];
    store.watchSelected('pods', { labelSelector: 'app=web' }, store.resourceVersion, {
      onEvent: (type, { metadata }) => seen.push(`${type} ${metadata.labels!.app} ${metadata.resourceVersion}`),
      onExpired: (error) => assert.fail(error),
    });
    const versions = ['db', 'web'].map((app) => {
      const pod = store.patch('pods', key, { type: 'merge', body: { metadata: { labels: { app } } } });
      return pod.metadata.resourceVersion;
    });
    store.patch('pods', key, { type: 'merge', body: { metadata: { annotations: { a: 'b' } } } });
    store.delete('pods', key);
    const last = Number(store.resourceVersion);
    assert.deepEqual(seen, [
      `DELETED web ${versions[0]}`,
      `ADDED web ${versions[1]}`,
      `MODIFIED web ${last - 1}`,
      `DELETED web ${last}`,
    ]);
  });

  it('begun inside a listener misses nothing and sees nothing twice', () => {
    const store = new Store();
    const inner: string[] = [];
    const stop = store.watch(({ object }) => {
      if (object.metadata.name !== 'a') return;
      stop();
      // The change below is stored, and in the history, before it is delivered.
      store.create('pods', podObject('b'));
      for (const from of ['', '3']) {
        store.watchSelected('pods', {}, from, {
          onEvent: (type, each) => inner.push(`${from}: ${type} ${each.metadata.name}`),
          onExpired: (error) => assert.fail(error),
        });
      }
    });
    store.create('pods', podObject('a'));
    store.create('pods', podObject('c'));
    assert.deepEqual(inner, [': ADDED a', ': ADDED b', '3: ADDED b', ': ADDED c', '3: ADDED c']);
  });

  it('delivers changes made by listeners to all listeners in order', () => {
    const store = new Store();
    const seen: string[] = [];
    store.watch(({ type, object }) => {
      if (type === 'ADDED' && object.metadata.name === 'a') store.delete('pods', key);
    });
    store.watch(({ type }) => seen.push(type));
    store.create('pods', podObject('a'));
    assert.deepEqual(seen, ['ADDED', 'DELETED']);
  });

  it('from a compacted version expires, as does an open one when told to', () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    const version = store.resourceVersion;
    store.create('pods', podObject('b'));
    store.compact();
    assert.deepEqual(record(store, {}, version), ['410 too old resource version: 3 (4)']);
    const open = record(store, {}, store.resourceVersion);
    store.expireWatches();
    store.create('pods', podObject('c'));
    assert.deepEqual(open, ['410 too old resource version: 4 (4)']);
  });

  it('can go back as far as the history is kept', () => {
    const store = new Store({ historyCapacity: 10 });
    for (let i = 0; i < 50; i++) store.create('pods', podObject(`p${i}`));
    const current = Number(store.resourceVersion);
    assert.equal(record(store, {}, String(current - 10)).length, 10);
    assert.match(record(store, {}, String(current - 21))[0]!, /^410 /);
  });
});

function record(store: Store, selection: Selection, resourceVersion: string): string[] {
  const seen: string[] = [];
  store.watchSelected('pods', selection, resourceVersion, {
    onEvent: (type, object) => seen.push(`${type} ${object.metadata.name}`),
    onExpired: (error) => seen.push(`${error.status.code} ${error.message}`),
  });
  return seen;
}
