import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ApiObject } from '../../../src/lab/api/object.ts';
import { textAt } from '../../../src/lab/api/object.ts';
import { Store } from '../../../src/lab/api/store.ts';
import { namespaceObject, podObject } from './objects.ts';
import { refusalOf } from './refusal.ts';

const key = { namespace: 'default', name: 'a' };
const bound = { nodeName: 'node-1', terminationGracePeriodSeconds: 30 };

describe('deletion', () => {
  it('removes at once a pod that is on no node or has ended, and marks one that runs', () => {
    const store = new Store({ now: () => new Date('2026-01-01T00:00:00Z') });
    store.create('pods', podObject('unbound'));
    assert.ok(store.delete('pods', { ...key, name: 'unbound' }).removed);
    const ended = store.create('pods', podObject('ended', {}, bound));
    store.updateStatus('pods', { ...ended, status: { phase: 'Succeeded' } });
    assert.ok(store.delete('pods', { ...key, name: 'ended' }).removed);
    store.create('pods', podObject('a', {}, bound));
    const { object, removed } = store.delete('pods', key);
    assert.ok(!removed);
    assert.equal(object.metadata.deletionTimestamp, '2026-01-01T00:00:30Z');
    assert.equal(object.metadata.deletionGracePeriodSeconds, 30);
  });

  it('lets a second deletion shorten the grace but not lengthen it, and 0 end it', () => {
    const store = new Store();
    store.create('pods', podObject('a', {}, bound));
    store.delete('pods', key, { gracePeriodSeconds: 10 });
    assert.equal(store.delete('pods', key, { gracePeriodSeconds: 20 }).object.metadata.deletionGracePeriodSeconds, 10);
    assert.equal(store.delete('pods', key, { gracePeriodSeconds: 5 }).object.metadata.deletionGracePeriodSeconds, 5);
    assert.ok(store.delete('pods', key, { gracePeriodSeconds: 0 }).removed);
    assert.equal(store.find('pods', key), undefined);
  });

  it('waits for finalizers, and lets none be added', () => {
    const store = new Store();
    store.create('pods', podObject('a', { finalizers: ['example.com/hold'] }));
    assert.ok(!store.delete('pods', key).removed);
    const more = { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } };
    const refusal = refusalOf(() => store.patch('pods', key, { type: 'merge', body: more }));
    assert.match(refusal.message!, /no new finalizers can be added if the object is being deleted/);
    store.patch('pods', key, { type: 'merge', body: { metadata: { finalizers: null } } });
    assert.equal(store.find('pods', key), undefined);
  });

  it('heeds preconditions', () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    assert.equal(refusalOf(() => store.delete('pods', key, { preconditions: { uid: 'other' } })).reason, 'Conflict');
    assert.equal(
      refusalOf(() => store.delete('pods', key, { preconditions: { resourceVersion: '1' } })).reason,
      'Conflict',
    );
    assert.ok(store.find('pods', key));
  });

  it('changes nothing on a dry run', () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    const before = store.resourceVersion;
    store.delete('pods', key, { dryRun: true });
    assert.deepEqual([store.resourceVersion, podNames(store)], [before, ['a']]);
  });

  it('deletes owned objects, unless another owner exists', () => {
    const store = new Store();
    const owner = store.create('configmaps', configMap('owner'));
    const other = store.create('configmaps', configMap('other'));
    store.create('pods', podObject('alone', { ownerReferences: [referenceTo(owner)] }));
    store.create('pods', podObject('shared', { ownerReferences: [referenceTo(owner), referenceTo(other)] }));
    store.delete('configmaps', { namespace: 'default', name: 'owner' });
    assert.deepEqual(podNames(store), ['shared']);
    store.delete('configmaps', { namespace: 'default', name: 'other' });
    assert.deepEqual(podNames(store), []);
  });

  it('deletes a namespace after its last pod', () => {
    const store = new Store();
    store.create('namespaces', namespaceObject('x'));
    store.create('pods', podObject('a', { namespace: 'x' }, bound));
    store.create('configmaps', { ...configMap('c'), metadata: { name: 'c', namespace: 'x' } });
    const events: string[] = [];
    store.watch(({ type, object }) => events.push(`${type} ${object.kind} ${object.metadata.name}`));
    store.delete('namespaces', { name: 'x' });
    assert.equal(textAt(store.get('namespaces', { name: 'x' }), 'status', 'phase'), 'Terminating');
    store.delete('pods', { namespace: 'x', name: 'a' }, { gracePeriodSeconds: 0 });
    assert.deepEqual(events, [
      'MODIFIED Namespace x',
      'MODIFIED Pod a',
      'DELETED ConfigMap c',
      'DELETED Pod a',
      'DELETED Namespace x',
    ]);
    assert.equal(refusalOf(() => store.delete('namespaces', { name: 'kube-system' })).reason, 'Forbidden');
  });
});

function podNames(store: Store): string[] {
  return store.list('pods').items.map((pod) => pod.metadata.name!);
}

function configMap(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

function referenceTo({ apiVersion, kind, metadata }: ApiObject) {
  return { apiVersion, kind, name: metadata.name!, uid: metadata.uid! };
}
