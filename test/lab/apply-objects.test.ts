import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Store } from '../../src/lab/api/store.ts';
import { applyObjects } from '../../src/lab/apply-objects.ts';
import { pod } from './objects.ts';

describe('lab: apply objects', () => {
  it('creates namespaces before their objects, also namespaces that are only named', () => {
    const store = new Store();
    const named = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x', labels: { team: 'a' } } };
    applyObjects(store, [pod('x', 'a', []), named, pod('y', 'b', [])]);
    assert.equal(store.get('namespaces', { name: 'x' }).metadata.labels!['team'], 'a');
    assert.ok(store.find('namespaces', { name: 'y' }));
    assert.ok(store.find('pods', { namespace: 'x', name: 'a' }));
  });

  it('replaces existing objects, and accepts objects from another server’s output', () => {
    const store = new Store();
    applyObjects(store, [pod('x', 'a', [])]);
    const shown = structuredClone(store.get('pods', { namespace: 'x', name: 'a' }));
    Object.assign(shown.metadata, { uid: 'of-another-cluster', resourceVersion: '1', labels: { changed: 'yes' } });
    applyObjects(store, [{ ...shown, status: { phase: 'Running', podIP: '10.9.9.9' } }]);
    const stored = store.get('pods', { namespace: 'x', name: 'a' });
    assert.deepEqual(stored.metadata.labels, { changed: 'yes' });
    assert.notEqual(stored.metadata.uid, 'of-another-cluster');
    assert.notEqual((stored['status'] as { phase?: string } | undefined)?.phase, 'Running');
  });

  it('keeps an existing node, and leaves a pod of an unknown node to the scheduler', () => {
    const store = new Store();
    store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    applyObjects(store, [pod('x', 'here', [], { nodeName: 'n1' }), pod('x', 'there', [], { nodeName: 'elsewhere' })]);
    const nodeOf = (name: string): unknown =>
      (store.get('pods', { namespace: 'x', name })['spec'] as { nodeName?: string }).nodeName;
    assert.deepEqual([nodeOf('here'), nodeOf('there')], ['n1', undefined]);
  });

  it('reports skipped objects, and fails on objects that the server refuses', () => {
    const store = new Store();
    const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { namespace: 'x', name: 'web' } };
    assert.deepEqual(applyObjects(store, [ingress]), ['Ingress x/web']);
    assert.throws(() => applyObjects(store, [pod('x', 'Not A Name', [])]), {
      code: 'input',
      message: /^Pod x\/Not A Name: /,
    });
  });
});
