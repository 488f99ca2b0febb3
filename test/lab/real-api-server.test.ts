import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import { listNamespaces } from '../../src/lab/network-namespace.ts';
import { LabState } from '../../src/lab/state.ts';
import { skipTest } from '../support/skip.ts';
import { startKubeApiserver } from '../watch/kube-apiserver.ts';
import type { KubeApiserver } from '../watch/kube-apiserver.ts';
import { until } from './until.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const example = fileURLToPath(new URL('../../examples/first-light', import.meta.url));
const assets = process.env['KUBEBUILDER_ASSETS'];
const name = `real${process.pid}`;
const ownLabel = `lab.postern.dev/name=${name}`;

const foreignPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'stranger', namespace: 'storefront' },
  spec: { containers: [{ name: 'main', image: 'main', ports: [{ containerPort: 8080 }] }] },
};

interface Result {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly observed: string;
  readonly expected: string;
}

describe('postern lab on a real API server (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  let kubeconfig: string;
  let server: KubeApiserver | undefined;
  let state: LabState;

  before(async function () {
    if (!assets) return skipTest(this, 'KUBEBUILDER_ASSETS names no folder with kube-apiserver, etcd and kubectl');
    directory = await mkdtemp(join(tmpdir(), 'postern-real-'));
    server = await startKubeApiserver(assets);
    kubeconfig = join(directory, 'kubeconfig');
    await writeFile(kubeconfig, await trustingKubeconfig(server.config));
    state = new LabState(name, join(directory, 'state'));
  });
  after(async () => {
    if (!server) return;
    const owner = await state.owner();
    if (owner !== undefined) process.kill(owner, 'SIGKILL');
    await state.remove();
    await server.close();
    await rm(directory, { recursive: true });
  });

  const run = (...args: readonly string[]) => execa(process.execPath, [main, 'lab', ...args], { reject: false });
  const lab = (verb: string, ...args: readonly string[]) =>
    run(verb, '--name', name, '--state-dir', join(directory, 'state'), ...args);
  const up = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await lab('up', '--kubeconfig', kubeconfig, ...args);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  };
  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await execa(join(assets!, 'kubectl'), ['--kubeconfig', kubeconfig, ...args]);
    return stdout;
  };
  /** `from port` of each probe that reached a station. */
  const reaching = async (to: string): Promise<string[]> => {
    const { stdout, stderr, exitCode } = await lab('probe', '-o', 'json', '--family', 'ipv4');
    assert.equal(exitCode, 0, stderr + stdout);
    const results = JSON.parse(stdout) as Result[];
    assert.ok(results.length > 0);
    return results
      .filter((each) => each.to === to && each.observed === 'allowed')
      .map(({ from, port }) => `${from} ${port}`);
  };
  const own = async (): Promise<string[]> => {
    const kinds = 'pods,namespaces,nodes,services,networkpolicies';
    return (await kubectl('get', kinds, '-A', '-l', ownLabel, '-o', 'name')).split('\n').filter((line) => line !== '');
  };

  const assertNothingLeft = async (): Promise<void> => {
    assert.deepEqual(await own(), []);
    assert.deepEqual(await listNamespaces(state.names.prefix), []);
    assert.deepEqual(await readdir(join(directory, 'state')), []);
  };

  it('runs pods, follows changes by kubectl, and keeps objects of others', async () => {
    await kubectl('create', 'namespace', 'storefront');
    const text = await up('-f', example, '--detach');
    assert.match(text, /^ {2}node n1 .*\n {4}\S+\/\S+ +10\.244\.1\./m);
    const address = '{.status.addresses[?(@.type=="InternalIP")].address}';
    assert.equal(await kubectl('get', 'node', 'n2', '-o', `jsonpath=${address}`), '172.30.0.3 fd00:172:30::3');
    const self = ['shop/api TCP/8080', 'shop/api TCP/9090'];
    assert.deepEqual(await reaching('shop/api'), [...self, 'storefront/web TCP/8080']);

    await kubectl('label', 'namespace', 'storefront', 'purpose-');
    assert.deepEqual(await reaching('shop/api'), self);
    await kubectl('label', 'namespace', 'office', 'purpose=production');
    assert.deepEqual(await reaching('shop/api'), ['office/desk TCP/8080', ...self]);

    await kubectl('expose', 'pod', 'api', '-n', 'shop', '--name', 'api', '--port', '80', '--target-port', '8080');
    const clusterIp = await kubectl('get', 'service', 'api', '-n', 'shop', '-o', 'jsonpath={.spec.clusterIP}');
    const connect = `exec 3<>/dev/tcp/${clusterIp}/80`;
    await until(async () => (await lab('exec', 'office/desk', '--', 'bash', '-c', connect)).exitCode === 0);
    await kubectl('delete', 'service', 'api', '-n', 'shop');

    const stranger = join(directory, 'stranger.json');
    await writeFile(stranger, JSON.stringify(foreignPod));
    await kubectl('create', '-f', stranger);
    await kubectl('wait', '--for=condition=Ready', 'pod/stranger', '-n', 'storefront', '--timeout=120s');
    assert.ok((await reaching('office/desk')).includes('storefront/stranger TCP/8080'));
    await kubectl('delete', 'pod', 'web', '-n', 'storefront', '--timeout=120s');
    assert.deepEqual(await listNamespaces(state.names.pod('storefront', 'web')), []);

    const second = await run('run', '--name', `${name}b`, '--state-dir', state.directory, '--kubeconfig', kubeconfig);
    assert.deepEqual([second.exitCode, second.stderr], [2, 'postern: Node n1: nodes "n1" already exists']);
    assert.ok((await own()).includes('pod/api'));

    const down = await lab('down');
    assert.deepEqual([down.exitCode, down.stderr], [0, '']);
    await assertNothingLeft();
    const left = await kubectl('get', 'namespaces,pods,nodes,networkpolicies', '-A', '-o', 'name');
    const standard = ['default', 'kube-node-lease', 'kube-public', 'kube-system'].map((each) => `namespace/${each}`);
    const names = left.split('\n').filter((line) => line !== '' && !standard.includes(line));
    assert.deepEqual(names, ['namespace/storefront', 'pod/stranger']);
    await kubectl('delete', 'pod', 'stranger', '-n', 'storefront', '--force');
  });

  it('the next `down` deletes the objects of a crash, and reports objects that it may not delete', async () => {
    await up('-f', example, '--detach');
    process.kill((await state.owner())!, 'SIGKILL');
    await until(async () => (await state.owner()) === undefined);
    await kubectl('create', 'configmap', 'kept', '-n', 'office');
    assert.ok((await own()).includes('node/n1'));
    const { stderr, exitCode } = await lab('down');
    assert.equal(exitCode, 0);
    assert.equal(
      stderr,
      'namespace office stays, because it contains objects that the lab did not create: configmaps/kept',
    );
    assert.deepEqual(await own(), ['namespace/office']);
    await kubectl('delete', 'configmap', 'kept', '-n', 'office');
  });

  it('runs existing objects, and deletes the remains of an earlier lab of its name', async () => {
    assert.deepEqual(await own(), ['namespace/office']);
    const { stdout, stderr, exitCode } = await lab('run', '--kubeconfig', kubeconfig, '-f', example, '-o', 'json');
    assert.equal(exitCode, 0, stderr);
    const results = JSON.parse(stdout) as Result[];
    assert.ok(results.some(({ from, observed }) => from === 'office/desk' && observed === 'allowed'));
    await assertNothingLeft();
  });

  it('exits 2 with one line if the server does not exist, and leaves nothing on the machine', async () => {
    const nowhere = join(directory, 'nowhere');
    for (const [text, message] of [
      ['{}', /names no usable server/],
      [
        kubeconfigText('http://127.0.0.1:1'),
        /^postern: objects .* may be left at http:\/\/127.0.0.1:1\/: .*ECONNREFUSED/,
      ],
    ] as const) {
      await writeFile(nowhere, text);
      const { stderr, exitCode } = await lab('run', '--kubeconfig', nowhere, '-f', example);
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
      assert.equal(stderr.split('\n').length, 1, stderr);
      assert.deepEqual(await listNamespaces(state.names.prefix), []);
    }
  });
});

/** With TLS verified from end to end: the certificate authority as the server shows it, and a name that the certificate has. */
async function trustingKubeconfig(config: KubeConfig): Promise<string> {
  const { server } = config.getCurrentCluster()!;
  const { hostname, port } = new URL(server);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { issuerCertificate } = socket.getPeerCertificate(true);
  socket.destroy();
  const pem = `-----BEGIN CERTIFICATE-----\n${issuerCertificate.raw.toString('base64')}\n-----END CERTIFICATE-----\n`;
  const trusting = new KubeConfig();
  const cluster = { name: 'test', server, skipTLSVerify: false, tlsServerName: 'kubernetes.default.svc' };
  trusting.loadFromClusterAndUser(
    { ...cluster, caData: Buffer.from(pem).toString('base64') },
    config.getCurrentUser()!,
  );
  return trusting.exportConfig();
}
