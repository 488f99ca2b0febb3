import type { ApiObject } from '../support/pipeline.ts';
import type { ApiServerActor } from './api-server-actor.ts';

/** What happens in a cluster, told to a real API server by those who would tell it: kubelet, scheduler, controllers, users. */
export interface Story {
  readonly name: string;
  readonly tell: (cluster: ApiServerActor) => Promise<void>;
}

const api = { app: 'api' };
export const web = { app: 'web' };
export const job = { app: 'job' };

/** Who is there before each story. */
export async function tellWorld(cluster: ApiServerActor): Promise<void> {
  await cluster.create(node('n1', '192.0.2.1', 'fd00::1'));
  await cluster.create(node('n2', '192.0.2.2', 'fd00::2'));
  await cluster.create(namespace('shop', { purpose: 'production' }));
  await cluster.create(namespace('office'));
  const clients = [web, job].map((matchLabels) => ({ podSelector: { matchLabels } }));
  const ingress = [{ from: clients, ports: [{ port: 8080 }] }];
  await cluster.create(policy('shop/api', { podSelector: { matchLabels: api }, ingress }));
  await cluster.create(
    policy('shop/job', {
      podSelector: { matchLabels: job },
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: api } }], ports: [{ port: 'http' }] }],
    }),
  );
  // What an unknown namespace would satisfy, did it count as one without labels (S3.4).
  const real = { namespaceSelector: { matchExpressions: [{ key: 'purpose', operator: 'NotIn', values: ['test'] }] } };
  await cluster.create(policy('office/desk', { podSelector: {}, ingress: [{ from: [real] }] }));
  await run(cluster, pod('shop/api', api), 'n1', '10.1.1.2', 'fd01:1::2');
  await run(cluster, pod('shop/web', web), 'n2', '10.1.2.3', 'fd01:2::3');
  await run(cluster, pod('office/desk', { app: 'desk' }), 'n2', '10.1.2.4');
}

export const stories: readonly Story[] = [
  {
    name: 'a-job-completes-and-is-deleted-later',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await cluster.setStatus('shop/backup', 'Succeeded', ['10.1.1.9']);
      await cluster.deletePod('shop/backup', 30);
    },
  },
  {
    name: 'the-address-of-a-finished-job-is-given-to-another-pod',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await cluster.setStatus('shop/backup', 'Succeeded', ['10.1.1.9']);
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'a-pod-is-evicted-and-its-address-goes-to-another-node',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.setStatus('shop/web-2', 'Failed', ['10.1.1.9'], { reason: 'Evicted', message: 'low on memory' });
      await run(cluster, pod('office/guest', { app: 'guest' }), 'n2', '10.1.1.9');
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'a-pod-terminates-in-good-order',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9', 'fd01:1::9');
      await cluster.deletePod('shop/web-2', 30);
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9', 'fd01:1::9'], notReady);
      await cluster.setStatus('shop/web-2', 'Succeeded', ['10.1.1.9', 'fd01:1::9'], notReady);
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'a-pod-is-deleted-by-force',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await run(cluster, pod('shop/web-2', web), 'n2', '10.1.2.9');
      await cluster.deletePod('shop/backup', 0);
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'a-pod-is-deleted-by-force-while-it-terminates',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/backup', 30);
      await cluster.deletePod('shop/backup', 0);
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
    },
  },
  {
    name: 'a-pod-is-made-again-under-its-name-on-another-node',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-0', web), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/web-0', 30);
      await cluster.deletePod('shop/web-0', 0);
      await run(cluster, pod('shop/web-0', web), 'n2', '10.1.2.9');
    },
  },
  {
    name: 'a-pod-is-made-again-under-its-name-between-two-lists',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-0', web), 'n1', '10.1.1.9');
      await cluster.unseen(async () => {
        await cluster.deletePod('shop/web-0', 0);
        await run(cluster, pod('shop/web-0', job), 'n1', '10.1.1.9');
      });
      await cluster.setStatus('shop/web-0', 'Failed', ['10.1.1.9']);
    },
  },
  {
    name: 'an-address-is-given-away-before-the-object-is-gone',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'an-address-is-given-away-after-the-object-is-gone',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n2', '10.1.2.9');
      await cluster.deletePod('shop/web-2', 0);
      await run(cluster, pod('shop/backup', job), 'n2', '10.1.2.9');
    },
  },
  {
    name: 'an-address-is-given-away-while-its-owner-terminates',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/backup', 30);
      await run(cluster, pod('shop/web-2', web), 'n2', '10.1.1.9');
      await cluster.setStatus('shop/backup', 'Failed', ['10.1.1.9'], notReady);
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'two-live-pods-of-two-nodes-claim-an-address-until-one-shows-another',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9', 'fd01:1::9');
      await run(cluster, pod('office/guest', { app: 'guest' }), 'n2', '10.1.1.9');
      await cluster.setStatus('office/guest', 'Running', ['10.1.2.9']);
    },
  },
  {
    name: 'two-live-pods-of-one-node-claim-an-address-until-both-are-gone',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.9');
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.deletePod('shop/web-2', 30);
      await cluster.deletePod('shop/backup', 30);
      await cluster.deletePod('shop/web-2', 0);
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'three-claim-an-address-and-the-contest-ends-by-a-phase',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n2', '10.1.2.9');
      await run(cluster, pod('shop/web-2', web), 'n2', '10.1.2.9');
      await run(cluster, pod('shop/web-3', web), 'n1', '10.1.2.9');
      await cluster.setStatus('shop/backup', 'Succeeded', ['10.1.2.9']);
      await cluster.deletePod('shop/web-3', 30);
      await cluster.labelPod('shop/web-2', { app: 'job' });
    },
  },
  {
    name: 'two-pods-exchange-their-addresses-when-their-node-boots-again',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.8');
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9']);
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.8']);
    },
  },
  {
    name: 'a-pod-claims-the-address-of-another-node',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n1', '192.0.2.2', 'fd01:1::9');
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9', 'fd01:1::9']);
    },
  },
  {
    name: 'a-pod-claims-the-address-of-its-own-node',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '192.0.2.1');
      await cluster.deletePod('shop/backup', 0);
    },
  },
  {
    name: 'a-node-comes-after-a-pod-that-claims-its-address-and-changes-it',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n1', '192.0.2.9');
      await cluster.create(node('n3', '192.0.2.9'));
      await cluster.setNodeAddresses('n3', '192.0.2.8');
      await cluster.setNodeAddresses('n3', '192.0.2.8', '192.0.2.9');
      await cluster.deleteNode('n3');
    },
  },
  {
    name: 'two-pods-contest-an-address-until-a-node-has-it',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '192.0.2.9');
      await run(cluster, pod('shop/web-2', web), 'n2', '192.0.2.9');
      await cluster.create(node('n3', '192.0.2.9'));
      await cluster.labelPod('shop/web-2', { app: 'job' });
      await cluster.deleteNode('n3');
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'pods-on-the-host-network-come-and-go',
    tell: async (cluster) => {
      await run(cluster, onHostNetwork(pod('shop/web-2', web)), 'n2', '192.0.2.2', 'fd00::2');
      await cluster.deletePod('shop/web-2', 30);
      await cluster.setStatus('shop/web-2', 'Succeeded', ['192.0.2.2', 'fd00::2']);
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'a-pod-on-the-host-network-shows-an-address-that-its-node-does-not-show-yet',
    tell: async (cluster) => {
      await run(cluster, onHostNetwork(pod('shop/web-2', web)), 'n2', '192.0.2.9');
      await run(cluster, onHostNetwork(pod('shop/backup', job)), 'n2', '192.0.2.9');
      await cluster.setNodeAddresses('n2', '192.0.2.2', 'fd00::2', '192.0.2.9');
    },
  },
  {
    // S1.13
    name: 'a-static-pod-is-deleted-and-mirrored-again',
    tell: async (cluster) => {
      await cluster.create(mirrorPod('shop/web-n1', 'n1', web));
      await cluster.setStatus('shop/web-n1', 'Pending', []);
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.9']);
      await cluster.deletePod('shop/web-n1', 30);
      await cluster.deletePod('shop/web-n1', 0);
      await cluster.create(mirrorPod('shop/web-n1', 'n1', web));
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.9']);
    },
  },
  {
    name: 'a-static-pod-gets-other-labels-by-another-manifest',
    tell: async (cluster) => {
      await cluster.create(mirrorPod('shop/web-n1', 'n1', web));
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.9']);
      await cluster.deletePod('shop/web-n1', 0);
      await cluster.create(mirrorPod('shop/web-n1', 'n1', job));
      await cluster.setStatus('shop/web-n1', 'Running', ['10.1.1.8']);
    },
  },
  {
    name: 'addresses-come-one-family-at-a-time-and-one-is-withdrawn',
    tell: async (cluster) => {
      await cluster.create(pod('shop/web-2', web));
      await cluster.bind('shop/web-2', 'n1');
      await cluster.setStatus('shop/web-2', 'Running', ['fd01:1::9']);
      await cluster.setStatus('shop/web-2', 'Running', ['fd01:1::9', '10.1.1.9']);
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9']);
      await cluster.setStatus('shop/web-2', 'Running', []);
      await cluster.setStatus('shop/web-2', 'Running', ['10.1.1.9', 'fd01:1::9']);
    },
  },
  {
    name: 'a-pod-that-is-isolated-waits-for-a-node-and-then-for-its-addresses',
    tell: async (cluster) => {
      await cluster.create(pod('shop/backup', job));
      await cluster.bind('shop/backup', 'n1');
      await cluster.setStatus('shop/backup', 'Pending', []);
      await cluster.setStatus('shop/backup', 'Pending', ['10.1.1.9']);
      await cluster.setStatus('shop/backup', 'Running', ['10.1.1.9', 'fd01:1::9']);
    },
  },
  {
    name: 'labels-change-while-a-pod-terminates',
    tell: async (cluster) => {
      await run(cluster, pod('shop/web-2', web), 'n2', '10.1.2.9');
      await cluster.deletePod('shop/web-2', 30);
      await cluster.labelPod('shop/web-2', { app: 'job' });
      await cluster.labelPod('shop/web-2', { app: null });
      await cluster.labelPod('shop/web-2', { app: 'web' });
      await cluster.deletePod('shop/web-2', 0);
    },
  },
  {
    name: 'a-namespace-comes-with-its-pods-and-is-relabelled',
    tell: async (cluster) => {
      await cluster.create(namespace('lab'));
      await run(cluster, pod('lab/web', web), 'n1', '10.1.1.9');
      await cluster.labelNamespace('lab', { purpose: 'production' });
      await cluster.labelNamespace('lab', { purpose: 'test' });
      await cluster.labelNamespace('lab', { purpose: 'production' });
    },
  },
  {
    name: 'a-namespace-is-deleted-with-its-pods-and-made-again',
    tell: async (cluster) => {
      await cluster.create(namespace('lab', { purpose: 'production' }));
      await run(cluster, pod('lab/web', web), 'n1', '10.1.1.9');
      await cluster.deleteNamespace('lab');
      await cluster.deletePod('lab/web', 30);
      await cluster.deletePod('lab/web', 0);
      await cluster.finalizeNamespace('lab');
      await cluster.create(namespace('lab', { purpose: 'test' }));
      await run(cluster, pod('lab/web', web), 'n1', '10.1.1.9');
    },
  },
  {
    name: 'much-happens-between-two-lists',
    tell: async (cluster) => {
      await run(cluster, pod('shop/backup', job), 'n1', '10.1.1.8');
      await run(cluster, pod('shop/web-2', web), 'n1', '10.1.1.9');
      await cluster.unseen(async () => {
        await cluster.deletePod('shop/backup', 0);
        await cluster.deletePod('shop/web-2', 30);
        await run(cluster, pod('shop/web-3', web), 'n2', '10.1.1.8');
        await run(cluster, pod('office/guest', { app: 'guest' }), 'n1', '10.1.1.9');
        await cluster.labelNamespace('office', { purpose: 'test' });
        await cluster.setNodeAddresses('n2', '192.0.2.3');
      });
      await cluster.deletePod('shop/web-2', 0);
    },
  },
];

const notReady = { conditions: [{ type: 'Ready', status: 'False', reason: 'PodCompleted' }] };

/** Scheduler and kubelet one after the other. */
async function run(cluster: ApiServerActor, object: ApiObject, on: string, ...addresses: string[]): Promise<void> {
  const name = `${object.metadata.namespace}/${object.metadata.name}`;
  await cluster.create(object);
  await cluster.bind(name, on);
  await cluster.setStatus(name, 'Running', addresses);
}

export function pod(name: string, labels: Readonly<Record<string, string>>): ApiObject {
  const ports = [{ name: 'http', containerPort: 8080 }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...split(name), labels },
    spec: { containers: [{ name: 'main', image: 'main', ports }] },
  };
}

function onHostNetwork({ spec, ...rest }: ApiObject): ApiObject {
  return { ...rest, spec: { ...(spec as object), hostNetwork: true } };
}

/** As the kubelet writes it for a manifest of its own: with a node from the start. */
export function mirrorPod(name: string, nodeName: string, labels: Readonly<Record<string, string>>): ApiObject {
  const hash = `0123-${labels['app']}`;
  const annotations = {
    'kubernetes.io/config.hash': hash,
    'kubernetes.io/config.mirror': hash,
    'kubernetes.io/config.source': 'file',
  };
  const { metadata, spec, ...rest } = pod(name, labels);
  return { ...rest, metadata: { ...metadata, annotations }, spec: { ...(spec as object), nodeName } };
}

function namespace(name: string, labels: Readonly<Record<string, string>> = {}): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function node(name: string, ...addresses: readonly string[]): ApiObject {
  const status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status };
}

function policy(name: string, spec: unknown): ApiObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: split(name), spec };
}

function split(name: string): { namespace: string; name: string } {
  const [space, own] = name.split('/') as [string, string];
  return { namespace: space, name: own };
}
