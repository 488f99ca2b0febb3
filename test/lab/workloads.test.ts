import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Store } from '../../src/lab/api/store.ts';
import { applyObjects } from '../../src/lab/apply-objects.ts';
import { BuiltInCluster } from '../../src/lab/built-in-cluster.ts';
import { Scheduler } from '../../src/lab/scheduler.ts';
import { WorkloadController } from '../../src/lab/workloads.ts';

function workload(kind: string, spec: object, label = 'one'): ApiObject {
  const container = { name: 'main', image: 'main' };
  const pod = { containers: [container], ...(kind === 'Job' && { restartPolicy: 'Never' }) };
  const template = { metadata: { labels: { app: 'w', version: label } }, spec: pod };
  return {
    apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { namespace: 'x', name: 'w' },
    spec: { selector: { matchLabels: { app: 'w' } }, template, ...spec },
  };
}

describe('lab: workloads', () => {
  function start(): { store: Store; pods: () => Promise<string[]> } {
    const log = (message: string): void => assert.fail(message);
    const cluster = new BuiltInCluster({ families: ['ipv4'], apiSocket: '/nowhere', tcp: false, log });
    const { store } = cluster;
    const controllers = [new Scheduler(cluster, ['n1', 'n2'], log), new WorkloadController(store, log)] as const;
    for (const name of ['n1', 'n2']) store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    store.watch((event) => {
      for (const controller of controllers) controller.onEvent(event);
    });
    // As a kubelet does: a deleted pod has ended.
    store.watch(({ resource, type, object: { metadata } }) => {
      if (resource !== 'pods' || type === 'DELETED' || metadata.deletionTimestamp === undefined) return;
      const key = { namespace: metadata.namespace, name: metadata.name! };
      if (store.find('pods', key)) store.delete('pods', key, { gracePeriodSeconds: 0 });
    });
    const pods = async (): Promise<string[]> => {
      for (const controller of controllers) await controller.idle();
      return store.list('pods').items.map((pod) => {
        const { nodeName } = pod['spec'] as { nodeName?: string };
        return `${pod.metadata.name} ${pod.metadata.labels!['version']} ${nodeName}`;
      });
    };
    return { store, pods };
  }

  it('makes, scales and replaces the pods of a Deployment, and deletes them with it', async () => {
    const { store, pods } = start();
    applyObjects(store, [workload('Deployment', { replicas: 3 })]);
    assert.deepEqual(await pods(), ['w-0 one n1', 'w-1 one n2', 'w-2 one n1']);
    applyObjects(store, [workload('Deployment', { replicas: 1 })]);
    assert.deepEqual(await pods(), ['w-0 one n1']);
    applyObjects(store, [workload('Deployment', { replicas: 2 }, 'two')]);
    assert.deepEqual(
      (await pods()).map((line) => line.slice(0, 7)),
      ['w-0 two', 'w-1 two'],
    );
    store.delete('deployments', { namespace: 'x', name: 'w' });
    assert.deepEqual(await pods(), []);
  });

  it('replaces a deleted pod', async () => {
    const { store, pods } = start();
    applyObjects(store, [workload('StatefulSet', { replicas: 2, serviceName: 'w' })]);
    await pods();
    const uid = (): string => store.get('pods', { namespace: 'x', name: 'w-0' }).metadata.uid!;
    const first = uid();
    store.delete('pods', { namespace: 'x', name: 'w-0' });
    assert.equal((await pods()).length, 2);
    assert.notEqual(uid(), first);
  });

  it('runs a DaemonSet on every node, and as many pods of a Job as run in parallel', async () => {
    const { store, pods } = start();
    applyObjects(store, [workload('DaemonSet', {})]);
    assert.deepEqual(await pods(), ['w-0 one n1', 'w-1 one n2']);
    store.delete('daemonsets', { namespace: 'x', name: 'w' });
    assert.deepEqual(await pods(), []);
    applyObjects(store, [workload('Job', { parallelism: 1 })]);
    assert.equal((await pods()).length, 1);
  });

  it('reports the number of ready pods', async () => {
    const { store, pods } = start();
    applyObjects(store, [workload('Deployment', { replicas: 2 })]);
    await pods();
    const pod = store.get('pods', { namespace: 'x', name: 'w-1' });
    store.updateStatus('pods', { ...pod, status: { phase: 'Running' } });
    await pods();
    const status = store.get('deployments', { namespace: 'x', name: 'w' })['status'] as Record<string, unknown>;
    assert.deepEqual([status['replicas'], status['readyReplicas'], status['observedGeneration']], [2, 1, 1]);
  });
});
