import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The part of a kubelet that an API server uses, over TLS: the logs of containers. */
export interface FakeKubelet {
  readonly port: number;
  /** By `namespace/pod/container`. */
  readonly logs: Map<string, string>;
  close(): Promise<void>;
}

/** On loopback. The API server of the tests believes any certificate, as one without --kubelet-certificate-authority does. */
export async function startFakeKubelet(): Promise<FakeKubelet> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-kubelet-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=n1';
  await promisify(execFile)('openssl', [...request.split(' '), '-keyout', key, '-out', cert]);
  const logs = new Map<string, string>();
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (asked, answer) => {
    const [, verb, ...names] = asked.url!.split('?')[0]!.split('/');
    const log = verb === 'containerLogs' ? logs.get(names.join('/')) : undefined;
    answer.writeHead(log === undefined ? 404 : 200, { 'content-type': 'text/plain' }).end(log);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    logs,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}
