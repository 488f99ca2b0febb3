import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ApiObject } from '../../../src/lab/api/object.ts';
import { objectAt, textAt } from '../../../src/lab/api/object.ts';
import { Store } from '../../../src/lab/api/store.ts';
import { namespaceObject, podObject, policyObject } from './objects.ts';
import { refusalOf } from './refusal.ts';

const key = { namespace: 'default', name: 'a' };

describe('the store', () => {
  it('sets server-owned fields and defaults of a new pod, and ignores the client’s values for them', () => {
    const store = new Store({ now: () => new Date('2026-01-02T03:04:05.678Z'), uid: () => 'the-uid' });
    const forged = '1999-01-01T00:00:00Z';
    const input = podObject('a', { uid: 'forged', creationTimestamp: forged, deletionTimestamp: forged });
    const pod = store.create('pods', { ...input, status: { phase: 'Running', podIP: '10.0.0.1' } });
    assert.equal(pod.metadata.uid, 'the-uid');
    assert.equal(pod.metadata.creationTimestamp, '2026-01-02T03:04:05Z');
    assert.equal(pod.metadata.deletionTimestamp, undefined);
    assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'BestEffort' });
    const [container] = objectAt(pod, 'spec')!.containers as [{ ports: unknown }];
    assert.deepEqual(container.ports, [{ containerPort: 80, protocol: 'TCP' }]);
    assert.equal(input.metadata.uid, 'forged', 'the input is not changed');
  });

  it('refuses objects in namespaces that do not exist or are ending, and a second of the same name', () => {
    const store = new Store();
    const missing = refusalOf(() => store.create('pods', podObject('a', { namespace: 'nowhere' })));
    assert.deepEqual([missing.code, missing.message], [404, 'namespaces "nowhere" not found']);
    store.create('pods', podObject('a'));
    const second = refusalOf(() => store.create('pods', podObject('a')));
    assert.deepEqual([second.code, second.reason, second.message], [409, 'AlreadyExists', 'pods "a" already exists']);
    store.create('namespaces', namespaceObject('x'));
    store.create('pods', podObject('b', { namespace: 'x', finalizers: ['example.com/hold'] }));
    store.delete('namespaces', { name: 'x' });
    const ending = refusalOf(() => store.create('pods', podObject('c', { namespace: 'x' })));
    assert.deepEqual(
      [ending.code, ending.reason, ending.details?.causes?.[0]?.reason],
      [403, 'Forbidden', 'NamespaceTerminating'],
    );
  });

  it('forces the name label on namespaces, at create and update (S3.3)', () => {
    const store = new Store();
    store.create('namespaces', namespaceObject('x'));
    const stored = store.get('namespaces', { name: 'x' });
    const changed = store.update('namespaces', { ...stored, metadata: { ...stored.metadata, labels: { a: 'b' } } });
    assert.deepEqual(changed.metadata.labels, { a: 'b', 'kubernetes.io/metadata.name': 'x' });
  });

  it('refuses an update from an older version, and counts no version for one that changes nothing', () => {
    const store = new Store();
    const first = store.create('pods', podObject('a'));
    const second = store.update('pods', labelled(first, { app: 'a' }));
    assert.ok(Number(second.metadata.resourceVersion) > Number(first.metadata.resourceVersion));
    const stale = refusalOf(() => store.update('pods', labelled(first, { app: 'b' })));
    assert.deepEqual([stale.code, stale.reason], [409, 'Conflict']);
    assert.match(stale.message!, /^Operation cannot be fulfilled on pods "a": the object has been modified;/);
    const before = store.resourceVersion;
    store.update('pods', second);
    assert.equal(store.resourceVersion, before);
  });

  it('keeps spec and status apart', () => {
    const store = new Store();
    const pod = store.create('pods', podObject('a'));
    store.updateStatus('pods', { ...labelled(pod, { app: 'a' }), status: { phase: 'Running' } });
    const afterStatus = store.get('pods', key);
    assert.deepEqual([afterStatus.metadata.labels, afterStatus.status], [undefined, { phase: 'Running' }]);
    store.update('pods', { ...labelled(afterStatus, { app: 'a' }), status: { phase: 'Failed' } });
    assert.equal(textAt(store.get('pods', key), 'status', 'phase'), 'Running');
  });

  it("counts a generation for each change of a policy's spec, and of nothing else", () => {
    const store = new Store();
    const policy = store.create('networkpolicies', policyObject());
    assert.equal(policy.metadata.generation, 1);
    const renamed = store.update('networkpolicies', labelled(policy, { a: 'b' }));
    assert.equal(renamed.metadata.generation, 1);
    const changed = store.update('networkpolicies', { ...renamed, spec: { podSelector: {}, policyTypes: ['Egress'] } });
    assert.equal(changed.metadata.generation, 2);
  });

  it('returns objects whose changes do not affect the store', () => {
    const store = new Store();
    const pod = store.create('pods', podObject('a', { labels: { app: 'a' } }));
    assert.throws(() => Object.assign(pod.metadata.labels!, { app: 'b' }), TypeError);
  });

  it('does all but store on a dry run', () => {
    const store = new Store();
    const before = store.resourceVersion;
    assert.equal(store.create('pods', podObject('a'), { dryRun: true }).metadata.name, 'a');
    refusalOf(() => store.create('pods', podObject('A'), { dryRun: true }));
    assert.deepEqual([store.find('pods', key), store.resourceVersion], [undefined, before]);
  });

  it('names by generateName', () => {
    const store = new Store();
    const { name: _name, ...metadata } = podObject('').metadata;
    const pod = store.create('pods', { ...podObject(''), metadata: { ...metadata, generateName: 'web-' } });
    assert.match(pod.metadata.name!, /^web-[a-z0-9]{5}$/);
  });

  it('refuses a name that changes under a patch', () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    const refusal = refusalOf(() => store.patch('pods', key, { type: 'merge', body: { metadata: { name: 'b' } } }));
    assert.match(refusal.message!, /metadata\.name: Invalid value: "b": field is immutable/);
  });

  it("fixes a pod's spec but for images, and binds it once", () => {
    const store = new Store();
    store.create('pods', podObject('a'));
    const image = { spec: { containers: [{ name: 'main', image: 'postern/pod:2' }] } };
    store.patch('pods', key, { type: 'strategic', body: image });
    const refusal = refusalOf(() => store.patch('pods', key, { type: 'merge', body: { spec: { hostNetwork: true } } }));
    assert.match(refusal.message!, /spec: Forbidden: pod updates may not change fields other than `spec\.containers/);
    store.bind(key, 'node-1');
    assert.equal(textAt(store.get('pods', key), 'spec', 'nodeName'), 'node-1');
    assert.equal(refusalOf(() => store.bind(key, 'node-2')).reason, 'Conflict');
  });

  it("keeps a service's address through an update that leaves it out", () => {
    const store = new Store({
      admit: (resource, object) =>
        void (resource === 'services' && Object.assign(object.spec!, { clusterIP: '10.96.0.1' })),
    });
    const service = (spec: object): ApiObject => {
      return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a', namespace: 'default' }, spec };
    };
    store.create('services', service({ ports: [{ port: 80 }] }));
    const updated = store.update('services', service({ ports: [{ port: 81 }] }));
    assert.equal(textAt(updated, 'spec', 'clusterIP'), '10.96.0.1');
    const moved = refusalOf(() => store.update('services', service({ ports: [{ port: 81 }], clusterIP: '10.96.0.2' })));
    assert.match(moved.message!, /may not change once set/);
  });
});

describe('lists', () => {
  const names = (list: { items: readonly ApiObject[] }): string[] => list.items.map((each) => each.metadata.name!);

  it('come ordered, by namespace and selectors', () => {
    const store = new Store();
    store.create('namespaces', namespaceObject('x'));
    store.create('pods', podObject('b', { labels: { app: 'web' } }));
    store.create('pods', podObject('a', { labels: { app: 'web' } }, { nodeName: 'n1' }));
    store.create('pods', podObject('a', { namespace: 'x', labels: { app: 'db' } }));
    assert.deepEqual(names(store.list('pods', { namespace: 'default' })), ['a', 'b']);
    assert.deepEqual(names(store.list('pods', { labelSelector: 'app=db' })), ['a']);
    assert.deepEqual(names(store.list('pods', { labelSelector: 'app=web', fieldSelector: 'spec.nodeName=' })), ['b']);
  });

  it('show one version on all pages, despite changes in between', () => {
    const store = new Store();
    for (const name of ['a', 'b', 'c', 'd']) store.create('pods', podObject(name));
    const first = store.list('pods', { limit: 2 });
    assert.deepEqual([names(first), first.remainingItemCount], [['a', 'b'], 2]);
    store.delete('pods', { namespace: 'default', name: 'c' });
    store.create('networkpolicies', policyObject({}, { name: 'd' }));
    store.create('pods', podObject('bb'));
    const changed = store.update(
      'pods',
      labelled(store.get('pods', { namespace: 'default', name: 'd' }), { new: 'yes' }),
    );
    const second = store.list('pods', { limit: 2, continue: first.continue });
    assert.deepEqual([names(second), second.resourceVersion], [['c', 'd'], first.resourceVersion]);
    assert.equal(second.continue, undefined);
    assert.equal(second.items[1]!.metadata.labels, undefined, 'as it was then');
    assert.deepEqual(names(store.list('pods')), ['a', 'b', 'bb', 'd']);
    assert.equal(store.list('pods', { resourceVersion: changed.metadata.resourceVersion }).items.length, 4);
  });

  it('cannot continue after compaction, nor begin at a future version', () => {
    const store = new Store();
    for (const name of ['a', 'b']) store.create('pods', podObject(name));
    const first = store.list('pods', { limit: 1 });
    store.create('pods', podObject('c'));
    store.compact();
    const gone = refusalOf(() => store.list('pods', { limit: 1, continue: first.continue }));
    assert.deepEqual([gone.code, gone.reason], [410, 'Expired']);
    const ahead = refusalOf(() => store.list('pods', { resourceVersion: '1000' }));
    assert.deepEqual([ahead.code, ahead.details?.causes?.[0]?.reason], [504, 'ResourceVersionTooLarge']);
  });
});

function labelled(object: ApiObject, labels: Record<string, string>): ApiObject {
  return { ...object, metadata: { ...object.metadata, labels } };
}
