import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { ApiObject } from '../../../src/lab/api/object.ts';
import type { ResourceName } from '../../../src/lab/api/resources.ts';
import { startApiServer } from '../../../src/lab/api/server.ts';
import type { ApiServer } from '../../../src/lab/api/server.ts';
import { Store } from '../../../src/lab/api/store.ts';
import type { ClusterEvent } from '../../../src/lab/cluster-api.ts';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { RealCluster } from '../../../src/lab/real/real-cluster.ts';
import { pod, service } from '../objects.ts';
import { until } from '../until.ts';

const node: ApiObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, status: { phase: 'Running' } };

describe('lab: a cluster behind an API server (here the built-in one)', () => {
  let directory: string;
  let store: Store;
  let server: ApiServer;
  let logged: string[];
  let clusters: RealCluster[];
  const load = async (lab: string): Promise<RealCluster> => {
    const kubeconfig = join(directory, 'kubeconfig');
    const log = (message: string): void => void logged.push(message);
    const apiSocket = join(directory, `${lab}.sock`);
    const cluster = await RealCluster.load({ kubeconfig, lab, nodes: ['n1'], apiSocket, log });
    clusters.push(cluster);
    await cluster.start();
    return cluster;
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-real-'));
    store = new Store();
    server = await startApiServer({
      store,
      socketPath: join(directory, 'api.sock'),
      tcp: { host: '127.0.0.1', port: 0 },
    });
    await writeFile(join(directory, 'kubeconfig'), kubeconfigText(server.url!));
    logged = [];
    clusters = [];
  });
  afterEach(async () => {
    for (const cluster of clusters) await cluster.stop();
    await server.close();
    await rm(directory, { recursive: true });
  });
  const names = (resource: ResourceName): string[] => store.list(resource).items.map(({ metadata }) => metadata.name!);

  it('emits the present objects and their changes, and stores them', async () => {
    const lab = await load('one');
    await lab.apply([pod('x', 'old', [])]);
    const events: ClusterEvent[] = [];
    await lab.follow((event) => events.push(event));
    assert.deepEqual(
      lab.known('pods').map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['Pod old'],
    );
    store.create('pods', pod('x', 'new', []));
    const stored = store.get('pods', { namespace: 'x', name: 'new' });
    store.update('pods', { ...structuredClone(stored), metadata: { ...stored.metadata, labels: { a: 'b' } } });
    store.delete('pods', { namespace: 'x', name: 'new' });
    await until(() => events.length === 4);
    assert.deepEqual(
      events.map(({ type, object, previous }) => [type, object.metadata.name, previous?.metadata.labels]),
      [
        ['ADDED', 'old', undefined],
        ['ADDED', 'new', undefined],
        ['MODIFIED', 'new', { pod: 'new' }],
        ['DELETED', 'new', { a: 'b' }],
      ],
    );
    assert.equal(lab.find('pods', { namespace: 'x', name: 'new' }), undefined);
    assert.deepEqual(
      (await lab.list('namespaces')).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['Namespace default', 'Namespace kube-system', 'Namespace x'],
    );
  });

  it('binds pods, writes their status, and removes them, but not others of their name', async () => {
    const lab = await load('one');
    await lab.addNode(node);
    await lab.apply([pod('x', 'a', [])]);
    const key = { namespace: 'x', name: 'a' };
    const first = store.get('pods', key);
    await lab.bindPod(first, 'n1');
    await lab.writePodStatus(first, { phase: 'Running', podIP: '10.0.0.1' });
    const { spec, status } = store.get('pods', key) as unknown as Record<string, Record<string, unknown>>;
    assert.deepEqual([spec!['nodeName'], status!['phase'], status!['podIP']], ['n1', 'Running', '10.0.0.1']);

    store.delete('pods', key, { gracePeriodSeconds: 0 });
    await lab.removePod(first);
    await lab.apply([pod('x', 'a', [])]);
    await lab.removePod(first);
    await assert.rejects(lab.writePodStatus(first, { phase: 'Failed' }), { code: 'refused', status: 409 });
    await lab.removePod(store.get('pods', key));
    assert.equal(store.find('pods', key), undefined);
  });

  it('deletes its own objects, and no earlier or foreign objects', async () => {
    store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs' } });
    store.create('pods', pod('theirs', 'kept', []));
    const other = await load('other');
    const lab = await load('one');
    await other.apply([pod('shared', 'b', [])]);
    await lab.addNode(node);
    await lab.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs', labels: { team: 'a' } } },
      pod('theirs', 'kept', [], {}),
      pod('theirs', 'own', []),
      pod('own', 'a', []),
      service('mixed', 'own', { ports: [{ port: 80 }] }),
      pod('shared', 'a', []),
    ]);
    store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'mixed', name: 'kept' } });
    const labels = { 'kubernetes.io/metadata.name': 'theirs', team: 'a' };
    assert.deepEqual(store.get('namespaces', { name: 'theirs' }).metadata.labels, labels);
    await assert.rejects(other.addNode(node), { code: 'input', message: 'Node n1: nodes "n1" already exists' });

    await lab.stop();
    assert.deepEqual(names('pods'), ['b', 'kept']);
    assert.deepEqual(names('namespaces'), ['default', 'kube-system', 'mixed', 'shared', 'theirs']);
    assert.deepEqual([names('nodes'), names('services')], [[], []]);
    assert.deepEqual(logged, [
      'namespace mixed stays, because it contains objects that the lab did not create: configmaps/kept',
    ]);
    await other.stop();
    assert.deepEqual(names('namespaces'), ['default', 'kube-system', 'mixed', 'theirs']);
  });

  it('reports refused and skipped objects', async () => {
    const lab = await load('one');
    const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { namespace: 'x', name: 'web' } };
    assert.deepEqual(await lab.apply([ingress]), ['Ingress x/web']);
    await assert.rejects(lab.apply([pod('x', 'Not A Name', [])]), { code: 'input', message: /^Pod x\/Not A Name: / });
  });

  it('first deletes the remains of a lab of its name', async () => {
    const crashed = await load('one');
    await crashed.apply([pod('x', 'a', [])]);
    assert.deepEqual(names('pods'), ['a']);
    await load('one');
    assert.deepEqual([names('pods'), names('namespaces')], [[], ['default', 'kube-system']]);
  });
});
