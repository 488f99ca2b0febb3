import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { createApiClient, loadKubeConfig, readJson, type ApiClient } from '../../src/watch/api-client.ts';

const options = { query: { limit: '5' }, signal: new AbortController().signal, silenceMs: 5_000 };

describe('the API client', function () {
  this.timeout(180_000);
  let folder: string;
  let tls: { cert: string; key: string };
  const servers: Server[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    tls = await makeCertificate('server');
  });
  after(async () => {
    for (const server of servers) server.close();
    await rm(folder, { recursive: true });
  });

  async function makeCertificate(name: string): Promise<{ cert: string; key: string }> {
    const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await execa('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', ...subject]);
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  }

  /** Answers with what it was asked. */
  async function echo(make: (answer: http.RequestListener) => http.Server): Promise<number> {
    const server = make((request, response) => {
      const { url, method, headers } = request;
      if (method === 'POST') response.statusCode = 201;
      void text(request).then((body) => response.end(JSON.stringify({ url, method, headers, body })));
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  const ask = async (client: ApiClient): Promise<{ url: string; headers: Record<string, string> }> =>
    (await readJson(await client.get('/api/v1/pods', options))) as { url: string; headers: Record<string, string> };

  async function kubeconfig(server: string, cluster?: object): Promise<KubeConfig> {
    const file = join(folder, 'kubeconfig');
    await writeFile(file, JSON.stringify(kubeconfigOf(server, cluster)));
    return loadKubeConfig(file);
  }

  it('asks for JSON below the path of the server, with the token of the kubeconfig, over TLS that it checks', async () => {
    const port = await echo((answer) => https.createServer(tls, answer));
    const server = `https://127.0.0.1:${port}/clusters/a/`;
    const trusted = { 'certificate-authority-data': Buffer.from(tls.cert).toString('base64') };
    const { url, headers } = await ask(createApiClient(await kubeconfig(server, trusted)));
    assert.equal(url, '/clusters/a/api/v1/pods?limit=5');
    assert.deepEqual([headers['accept'], headers['authorization']], ['application/json', 'Bearer secret']);
    await assert.rejects(ask(createApiClient(await kubeconfig(server))), {
      code: 'unreachable',
      message: /self-signed/,
    });
  });

  it('takes a token for what it is without the newline at its end', async () => {
    const port = await echo((answer) => https.createServer(tls, answer));
    const config = new KubeConfig();
    const cluster = { name: 'c', server: `https://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: 'u', token: 'secret\n' });
    const { headers } = await ask(createApiClient(config));
    assert.equal(headers['authorization'], 'Bearer secret');
  });

  it('sends no credentials without TLS', async () => {
    const port = await echo((answer) => http.createServer(answer));
    const { url, headers } = await ask(createApiClient(await kubeconfig(`http://127.0.0.1:${port}`)));
    assert.equal(url, '/api/v1/pods?limit=5');
    assert.equal(headers['authorization'], undefined);
  });

  for (const [verb, method, type] of [
    ['create', 'POST', 'application/json'],
    ['patch', 'PATCH', 'application/strategic-merge-patch+json'],
  ] as const) {
    it(`sends an object to ${verb} it, with the same credentials`, async () => {
      const port = await echo((answer) => https.createServer(tls, answer));
      const trusted = { 'certificate-authority-data': Buffer.from(tls.cert).toString('base64') };
      const client = createApiClient(await kubeconfig(`https://127.0.0.1:${port}`, trusted));
      const got = (await client.write(verb, '/api/v1/x', { text: 'ä' }, options)) as Record<string, unknown>;
      const headers = got['headers'] as Record<string, string>;
      assert.deepEqual([got['method'], got['url'], got['body']], [method, '/api/v1/x', '{"text":"ä"}']);
      assert.deepEqual([headers['content-type'], headers['authorization']], [type, 'Bearer secret']);
    });
  }

  it('says what the server says when it refuses', async () => {
    const port = await echo(() =>
      http.createServer((_, response) => response.writeHead(403).end('{"message":"pods is forbidden","code":403}')),
    );
    const promise = ask(createApiClient(await kubeconfig(`http://127.0.0.1:${port}`)));
    await assert.rejects(promise, { name: 'ApiError', code: 'refused', status: 403, message: 'pods is forbidden' });
  });

  it('keeps the cause when nobody listens', async () => {
    const promise = ask(createApiClient(await kubeconfig('http://127.0.0.1:1')));
    await assert.rejects(promise, (error: Error & { code: string }) => {
      assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
      return error.code === 'unreachable';
    });
  });

  it('follows a client certificate that is replaced', async () => {
    const server = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      response.end(JSON.stringify((request.socket as TLSSocket).getPeerCertificate().subject.CN));
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [certFile, keyFile] = [join(folder, 'client.pem'), join(folder, 'client-key.pem')];
    const config = new KubeConfig();
    const cluster = { name: 'c', server: `https://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: 'u', certFile, keyFile });
    const client = createApiClient(config);
    for (const name of ['first', 'second']) {
      const { cert, key } = await makeCertificate(name);
      await writeFile(certFile, cert);
      await writeFile(keyFile, key);
      assert.equal(await readJson(await client.get('/', options)), name);
    }
  });

  it('follows the token of a pod that is replaced, at once', async () => {
    const port = await echo((answer) => https.createServer(tls, answer));
    const tokenFile = join(folder, 'token');
    const config = new KubeConfig();
    const cluster = { name: 'c', server: `https://127.0.0.1:${port}`, skipTLSVerify: true };
    // As client-node reads it inside a pod.
    const authProvider = { name: 'tokenFile', config: { tokenFile } };
    config.loadFromClusterAndUser(cluster, { name: 'u', authProvider });
    const client = createApiClient(config);
    for (const token of ['first', 'second']) {
      await writeFile(tokenFile, `${token}\n`);
      assert.equal((await ask(client)).headers['authorization'], `Bearer ${token}`);
    }
  });

  it('rejects, and does not throw something else, when a credential cannot be read', async () => {
    const config = new KubeConfig();
    const cluster = { name: 'c', server: 'https://127.0.0.1:1', skipTLSVerify: false };
    config.loadFromClusterAndUser(cluster, { name: 'u', certFile: join(folder, 'rotating.pem') });
    await assert.rejects(ask(createApiClient(config)), { name: 'ApiError', code: 'kubeconfig', message: /ENOENT/ });
  });

  for (const [what, text] of [
    ['is not there', undefined],
    ['is empty', ''],
    ['is no YAML', '{'],
    ['names no cluster', '{"clusters":[],"users":[],"contexts":[]}'],
    ['names no URL', JSON.stringify(kubeconfigOf('localhost'))],
    ['names a server of another protocol', JSON.stringify(kubeconfigOf('ftp://localhost'))],
  ] as const) {
    it(`refuses a kubeconfig that ${what}`, async () => {
      const file = join(folder, what);
      if (text !== undefined) await writeFile(file, text);
      const open = loadKubeConfig(file).then(createApiClient);
      await assert.rejects(open, { name: 'ApiError', code: 'kubeconfig' });
    });
  }

  it('does not guess a server where there is no kubeconfig at all', async () => {
    const { HOME, KUBECONFIG } = process.env;
    Object.assign(process.env, { HOME: folder, KUBECONFIG: '' });
    try {
      await assert.rejects(loadKubeConfig(), {
        name: 'ApiError',
        code: 'kubeconfig',
        message: /kubeconfig .*not found: no KUBECONFIG/,
      });
    } finally {
      Object.assign(process.env, { HOME });
      if (KUBECONFIG === undefined) delete process.env['KUBECONFIG'];
      else process.env['KUBECONFIG'] = KUBECONFIG;
    }
  });

  it('merges several files as kubectl does: the first of a name counts, and of the current context', async () => {
    const [mine, theirs] = ['mine', 'theirs'].map((name) => join(folder, name)) as [string, string];
    await writeFile(mine, JSON.stringify(kubeconfigOf('https://mine')));
    const other = [{ name: 'other', context: { cluster: 'c', user: 'u' } }];
    const more = { ...kubeconfigOf('https://theirs'), 'current-context': 'other', contexts: other };
    await writeFile(theirs, JSON.stringify(more));
    const config = await loadKubeConfig([join(folder, 'gone'), mine, theirs]);
    assert.deepEqual(
      [config.currentContext, config.getCurrentCluster()?.server, config.getContexts().map(({ name }) => name)],
      ['c', 'https://mine', ['c', 'other']],
    );
    await assert.rejects(loadKubeConfig(['/gone', '/lost']), {
      code: 'kubeconfig',
      message: 'kubeconfig: no such file: /gone',
    });
  });
});

function kubeconfigOf(server: string, cluster: object = {}): object {
  return {
    'current-context': 'c',
    clusters: [{ name: 'c', cluster: { server, ...cluster } }],
    users: [{ name: 'u', user: { token: 'secret' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  };
}
