import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';

/** An etcd and a kube-apiserver from `folder`, on loopback, with empty state. */
export interface KubeApiserver {
  readonly config: KubeConfig;
  close(): Promise<void>;
}

const token = 'postern-test';

export async function startKubeApiserver(folder: string): Promise<KubeApiserver> {
  const data = await mkdtemp(join(tmpdir(), 'postern-test-'));
  const children: ChildProcess[] = [];
  const start = (program: string, args: readonly string[]): void => {
    children.push(spawn(join(folder, program), args, { stdio: 'ignore' }));
  };
  const close = async (): Promise<void> => {
    for (const child of children.reverse()) {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGKILL');
      await exited;
    }
    await rm(data, { recursive: true });
  };
  try {
    const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${client}`;
    const peers = `http://127.0.0.1:${peer}`;
    start('etcd', [
      `--data-dir=${join(data, 'etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=default=${peers}`,
    ]);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = join(data, 'service-accounts.pem');
    await writeFile(key, privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const tokens = join(data, 'tokens.csv');
    await writeFile(tokens, `${token},admin,admin,system:masters\n`);
    start('kube-apiserver', [
      `--etcd-servers=${etcd}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${secure}`,
      `--cert-dir=${data}`,
      `--token-auth-file=${tokens}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://postern.test',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      '--disable-admission-plugins=ServiceAccount',
    ]);
    const server = `https://127.0.0.1:${secure}`;
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'test', server, skipTLSVerify: true }, { name: 'admin', token });
    await untilReady(config, children);
    return { config, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function untilReady(config: KubeConfig, children: readonly ChildProcess[]): Promise<void> {
  const { createApiClient, readJson } = await import('../../src/watch/api-client.ts');
  const client = createApiClient(config);
  const options = { query: {}, signal: AbortSignal.timeout(60_000), silenceMs: 1_000 };
  for (;;) {
    options.signal.throwIfAborted();
    if (children.some((child) => child.exitCode !== null)) throw new Error('etcd or kube-apiserver ended');
    const ready = await client.get('/api/v1/namespaces/default', options).then(readJson, () => undefined);
    if (ready !== undefined) return;
    await setTimeout(100);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
