import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fork, type ChildProcess } from 'node:child_process';
import { afterEach, describe, it } from 'mocha';
import { Gauge, Registry } from 'prom-client';
import { Checks } from '../../src/telemetry/checks.ts';
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../../src/telemetry/server.ts';

interface Page {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

const cleanUps: (() => Promise<unknown>)[] = [];

async function start(
  options: Partial<HttpServerOptions> = {},
): Promise<HttpServer & Pick<HttpServerOptions, 'live' | 'ready'>> {
  const checks = { live: new Checks([]), ready: new Checks(['sync', 'nft']) };
  const server = await startHttpServer({
    listen: { host: '127.0.0.1', port: 0 },
    registry: new Registry(),
    applied: () => ({}),
    ...checks,
    ...options,
  });
  cleanUps.push(() => server.close());
  return { ...server, ...checks };
}

async function get(server: HttpServer, path: string, method = 'GET', localAddress?: string): Promise<Page> {
  const where = server.address.startsWith('unix:')
    ? { socketPath: server.address.slice('unix:'.length) }
    : { host: server.address.split(':')[0], port: server.address.split(':').at(-1) };
  const request = http.request({ ...where, path, method, ...(localAddress !== undefined && { localAddress }) }).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, type: response.headers['content-type'], body };
}

async function socketPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  cleanUps.push(() => rm(folder, { recursive: true }));
  return join(folder, 'agent.sock');
}

describe('the HTTP server', function () {
  this.timeout(180_000);
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  it('is ready only when every check is, and says which is not', async () => {
    const server = await start();
    server.ready.report('sync', undefined);
    server.ready.report('nft', 'not root');
    assert.deepEqual(await get(server, '/readyz'), {
      status: 503,
      type: 'text/plain; charset=utf-8',
      body: '[-] nft: not root\nnot ok\n',
    });
    server.ready.report('nft', undefined);
    const { status, body } = await get(server, '/readyz');
    assert.deepEqual([status, body], [200, 'ok\n']);
  });

  it('lists all checks when asked', async () => {
    const server = await start();
    server.ready.report('sync', undefined);
    assert.equal((await get(server, '/readyz?verbose')).body, '[+] sync\n[-] nft: not checked yet\nnot ok\n');
  });

  it('tells what there is to know of a check that is fine only when asked', async () => {
    const server = await start();
    server.ready.report('sync', undefined);
    server.ready.note('nft', 'an old one');
    assert.equal((await get(server, '/readyz')).body, 'ok\n');
    assert.equal((await get(server, '/readyz?verbose')).body, '[+] sync\n[+] nft: an old one\nok\n');
  });

  it('is healthy while it is not ready', async () => {
    const { status } = await get(await start(), '/healthz');
    assert.equal(status, 200);
  });

  it('is not healthy when a liveness check fails', async () => {
    const server = await start();
    server.live.report('loop', 'stuck');
    assert.equal((await get(server, '/healthz')).status, 503);
  });

  it('serves the metrics of the registry that it was given', async () => {
    const registry = new Registry();
    new Gauge({ name: 'answer', help: 'h', registers: [registry] }).set(42);
    const { type, body } = await get(await start({ registry }), '/metrics');
    assert.match(body, /^answer 42$/m);
    assert.match(type!, /^text\/plain; version=0\.0\.4/);
  });

  it('serves what has been applied as of the request', async () => {
    let revision = 1;
    const server = await start({ applied: () => ({ revision }) });
    revision = 2;
    assert.deepEqual(JSON.parse((await get(server, '/applied')).body), { revision: 2 });
  });

  it('names pods and policies to who asks by the loopback, or by a socket, and to nobody else', async () => {
    const pages = ['/node', '/policies', '/flows'];
    const node = (): unknown => ({ pods: ['x/a'] });
    for (const listen of [{ host: '127.0.0.1', port: 0 }, { path: await socketPath() }]) {
      const server = await start({ listen, node, policies: async () => node(), flows: node });
      for (const page of pages) assert.deepEqual(JSON.parse((await get(server, page)).body), { pods: ['x/a'] });
    }
    const own = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    if (own !== undefined) {
      const listening = await start({ listen: { host: own, port: 0 }, node });
      assert.equal((await get(listening, '/node')).status, 200);
      // To another address than it comes from, as from another machine.
      const open = await start({ node, policies: async () => node(), flows: node });
      for (const page of pages) {
        const { status, body } = await get(open, page, 'GET', own);
        assert.deepEqual([status, body.includes('x/a')], [403, false], page);
      }
      assert.equal((await get(open, '/applied', 'GET', own)).status, 200);
    }
    for (const page of pages) assert.equal((await get(await start(), page)).status, 404);
    const none = await get(await start(), '/flows');
    assert.ok(none.body.includes('flows.enabled'));
  });

  it('answers 500, and lives, when a page cannot be made', async () => {
    const server = await start({
      applied: () => {
        throw new Error('broken');
      },
    });
    assert.equal((await get(server, '/applied')).status, 500);
    assert.equal((await get(server, '/healthz')).status, 200);
  });

  for (const [path, method, status] of [
    ['/', 'GET', 404],
    ['/readyz/x', 'GET', 404],
    ['//', 'GET', 404],
    ['/metrics', 'POST', 405],
    ['/healthz', 'HEAD', 200],
  ] as const) {
    it(`answers ${method} ${path} with ${status}`, async () => {
      assert.equal((await get(await start(), path, method)).status, status);
    });
  }

  it('listens on a socket, in place of one that a killed process left', async () => {
    const path = await socketPath();
    const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.send('up'))`;
    const child: ChildProcess = fork('--eval', [code], { execArgv: [] });
    await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const server = await start({ listen: { path } });
    assert.equal(server.address, `unix:${path}`);
    assert.equal((await get(server, '/healthz')).status, 200);
  });

  it('does not take a socket that somebody answers', async () => {
    const path = await socketPath();
    const other = createServer().listen(path);
    await once(other, 'listening');
    cleanUps.push(async () => other.close());
    await assert.rejects(start({ listen: { path } }), { code: 'EADDRINUSE' });
  });

  it('shows an IPv6 address in brackets', async () => {
    const server = await start({ listen: { host: '::1', port: 0 } });
    assert.match(server.address, /^\[::1\]:[0-9]+$/);
  });
});
