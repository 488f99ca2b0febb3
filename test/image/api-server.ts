import { startApiServer } from '../../src/lab/api/server.ts';
import { Store } from '../../src/lab/api/store.ts';

/** The API server of a cluster with one node, one pod on it, and a policy that isolates the pod. It says "ready". */
const [socketPath, port] = process.argv.slice(2);
const store = new Store();
store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
store.create('networkpolicies', {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'default', name: 'deny' },
  spec: { podSelector: {} },
});
const pod = store.create('pods', {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'default', name: 'web' },
  spec: { nodeName: 'n1', containers: [{ name: 'web', image: 'web' }] },
});
const podIPs = [{ ip: '10.244.0.2' }, { ip: 'fd00:10:244::2' }];
store.updateStatus('pods', { ...pod, status: { phase: 'Running', podIPs } });
await startApiServer({ store, socketPath: socketPath!, tcp: { host: '127.0.0.1', port: Number(port) } });
process.stdout.write('ready\n');
