import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { RealClient } from '../../../src/lab/real/client.ts';

describe('lab: a client of a real API server', () => {
  it('lists nothing of a resource that the server does not have, and rejects on any other refusal', async () => {
    const server = createServer(({ url }, response) => {
      response.writeHead(url!.includes('clusternetworkpolicies') ? 404 : 403).end('{}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'postern-client-'));
    try {
      const file = join(folder, 'kubeconfig');
      await writeFile(file, kubeconfigText(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
      const client = await RealClient.load(file);
      const absent = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
      assert.deepEqual(await client.list(absent), []);
      await assert.rejects(client.list('/api/v1/pods'), /403/);
    } finally {
      server.close();
      await rm(folder, { recursive: true });
    }
  });
});
