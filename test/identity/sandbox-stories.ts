import type { ApiObject } from '../support/pipeline.ts';
import type { ApiServerActor } from './api-server-actor.ts';
import { job, mirrorPod, pod, web, type Story } from './stories.ts';

/** What happens on node n1, whose container runtime keeps a record of its sandboxes. */
export const sandboxStories: readonly Story[] = [
  {
    name: 'an-address-is-given-to-the-next-pod-within-milliseconds',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await runInSandbox(cluster, pod('shop/backup', job), { id: 'first', order: 2 }, '10.1.1.9');
      await cluster.deletePod('shop/backup', 30);
      await cluster.create(pod('shop/web-2', web));
      await cluster.bind('shop/web-2', 'n1');
      await endOfSandbox(cluster, 'first');
      await cluster.sandbox('shop/web-2', 'n1', { id: 'second', addresses: ['10.1.1.9'], order: 3 });
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9']);
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'an-address-is-given-to-the-next-pod-before-the-last-sandbox-is-said-to-be-gone',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await runInSandbox(cluster, pod('shop/web-2', web), { id: 'first', order: 2 }, '10.1.1.9', 'fd01:1::9');
      await cluster.create(pod('shop/backup', job));
      await cluster.bind('shop/backup', 'n1');
      await cluster.sandbox('shop/backup', 'n1', { id: 'second', addresses: ['10.1.1.9', 'fd01:1::9'], order: 3 });
      await cluster.deletePod('shop/web-2', 0);
      await endOfSandbox(cluster, 'first');
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9', 'fd01:1::9']);
    },
  },
  {
    name: 'a-pod-is-deleted-by-force-and-its-sandbox-still-runs',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await runInSandbox(cluster, pod('shop/web-2', web), { id: 'first', order: 2 }, '10.1.1.9');
      await cluster.deletePod('shop/web-2', 0);
      await cluster.fact('n1', { op: 'fetched', key: 'shop/web-2', value: undefined });
      await endOfSandbox(cluster, 'first');
    },
  },
  {
    name: 'a-job-is-done-and-its-sandbox-still-there',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await runInSandbox(cluster, pod('shop/backup', job), { id: 'first', order: 2 }, '10.1.1.9');
      await cluster.setStatus('shop/backup', 'Succeeded', ['10.1.1.9']);
      await cluster.fact('n1', { op: 'cache-complete' });
      await endOfSandbox(cluster, 'first');
    },
  },
  {
    name: 'addresses-are-those-of-before-a-reboot',
    tell: async (cluster) => {
      await runInSandbox(cluster, pod('shop/backup', job), { id: 'first', order: 1, live: false }, '10.1.1.8');
      await runInSandbox(cluster, pod('shop/web-2', web), { id: 'second', order: 2, live: false }, '10.1.1.9');
      await cluster.sandbox('shop/web-2', 'n1', { id: 'third', addresses: ['10.1.1.8'], order: 3 });
      await cluster.sandbox('shop/backup', 'n1', { id: 'fourth', addresses: ['10.1.1.9'], order: 4 });
      await endOfSandbox(cluster, 'first');
      await endOfSandbox(cluster, 'second');
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9']);
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.8']);
      await sandboxOfApi(cluster);
    },
  },
  {
    name: 'the-sandbox-of-a-pod-is-made-anew',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await runInSandbox(cluster, pod('shop/web-2', web), { id: 'first', order: 2 }, '10.1.1.8');
      await cluster.sandbox('shop/web-2', 'n1', { id: 'second', addresses: ['10.1.1.9'], order: 3 });
      await endOfSandbox(cluster, 'first');
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9']);
    },
  },
  {
    name: 'a-static-pod-is-mirrored-after-it-runs-and-mirrored-again',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await cluster.create(mirrorPod('shop/web-n1', 'n1', web));
      await cluster.sandbox('shop/web-n1', 'n1', { id: 'first', addresses: ['10.1.1.9'], order: 2 }, false);
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.9']);
      await cluster.watch();
      await cluster.deletePod('shop/web-n1', 0);
      await cluster.create(mirrorPod('shop/web-n1', 'n1', web));
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.9']);
    },
  },
  {
    name: 'a-sandbox-is-there-before-its-pod-is-seen',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await cluster.create(pod('shop/backup', job));
      await cluster.bind('shop/backup', 'n1');
      await cluster.sandbox(
        'shop/backup',
        'n1',
        { id: 'first', addresses: ['10.1.1.9', 'fd01:1::9'], order: 2 },
        false,
      );
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9', 'fd01:1::9']);
    },
  },
  {
    name: 'a-pod-shows-its-address-before-its-sandbox-is-seen',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await cluster.create(pod('shop/backup', job));
      await cluster.bind('shop/backup', 'n1');
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9']);
      await cluster.sandbox('shop/backup', 'n1', { id: 'first', addresses: ['10.1.1.9'], order: 2 });
    },
  },
  {
    name: 'a-pod-is-fetched-and-then-seen',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await cluster.create(pod('shop/web-2', web));
      await cluster.bind('shop/web-2', 'n1');
      await cluster.sandbox('shop/web-2', 'n1', { id: 'first', addresses: ['10.1.1.9'], order: 2 }, false);
      await cluster.fetch('shop/web-2', 'n1');
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9']);
      await cluster.labelPod('shop/web-2', { app: 'job' });
      await cluster.deletePod('shop/web-2', 0);
      await endOfSandbox(cluster, 'first');
    },
  },
  {
    name: 'a-pod-is-fetched-and-gone-before-it-is-seen',
    tell: async (cluster) => {
      await sandboxOfApi(cluster);
      await cluster.unseen(async () => {
        await cluster.create(pod('shop/web-2', web));
        await cluster.bind('shop/web-2', 'n1');
        await cluster.sandbox('shop/web-2', 'n1', { id: 'first', addresses: ['10.1.1.9'], order: 2 }, false);
        await cluster.fetch('shop/web-2', 'n1');
        await cluster.deletePod('shop/web-2', 0);
      });
      await cluster.fact('n1', { op: 'fetched', key: 'shop/web-2', value: undefined });
      await endOfSandbox(cluster, 'first');
    },
  },
];

/** Of the pod that runs on n1 before each story. */
async function sandboxOfApi(cluster: ApiServerActor): Promise<void> {
  await cluster.sandbox('shop/api', 'n1', { id: 'api', addresses: ['10.1.1.2', 'fd01:1::2'], order: 1 });
}

async function endOfSandbox(cluster: ApiServerActor, id: string): Promise<void> {
  await cluster.fact('n1', { op: 'sandbox', id, value: undefined });
}

/** Scheduler, container runtime and kubelet one after the other. */
async function runInSandbox(
  cluster: ApiServerActor,
  object: ApiObject,
  fields: { readonly id: string; readonly order: number; readonly live?: boolean },
  ...addresses: string[]
): Promise<void> {
  const name = `${object.metadata.namespace}/${object.metadata.name}`;
  await cluster.create(object);
  await cluster.bind(name, 'n1');
  await cluster.sandbox(name, 'n1', { ...fields, addresses });
  await cluster.setStatus(name, 'Running', addresses);
}
