import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { servePage, type PageServer } from '../../../src/cli/ui/page-server.ts';

const page = { html: '<!doctype html>ü', script: 'start()', style: 'a{}' };
const token = 'secret-token';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

describe('the server of the page', () => {
  let server: PageServer;
  let json: string;
  let asked: number;
  beforeEach(async () => {
    [json, asked] = ['{"a":1}', 0];
    const data = async () => {
      asked++;
      if (json === '') throw new Error('hunter2');
      return { json, etag: `"${json.length}"` };
    };
    server = await servePage({ page, token, port: 0, data });
  });
  afterEach(() => server.close().catch(() => {}));

  async function ask(path: string, options: http.RequestOptions = {}): Promise<Answer> {
    const request = http.request(new URL(path, server.url), { agent: false, ...options }).end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return { status: response.statusCode!, headers: response.headers, body: await text(response) };
  }

  /** What the server answers to these bytes, until it closes the connection. */
  async function send(bytes: string): Promise<string> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(bytes);
    return text(socket);
  }

  it('has the page, its script, its style and its data', async () => {
    const [html, script, style, data] = [await ask(''), await ask('page.js'), await ask('page.css'), await ask('data')];
    deepEqual([html.body, script.body, style.body, data.body], [page.html, page.script, page.style, json]);
    deepEqual(
      [html, script, style, data].map(({ headers }) => headers['content-type']),
      ['text/html', 'text/javascript', 'text/css', 'application/json'].map((type) => `${type}; charset=utf-8`),
    );
  });

  it('sends every answer with the same protection', async () => {
    const answers = [await ask(''), await ask('data'), await ask('/'), await ask('data', { method: 'POST' })];
    answers.push(await ask('data', { headers: { 'if-none-match': answers[1]!.headers.etag! } }));
    json = '';
    answers.push(await ask('data'));
    deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 404, 405, 304, 500],
    );
    for (const { headers, status } of answers) {
      const expected = {
        'content-security-policy':
          "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-store',
      };
      const found = Object.fromEntries(Object.keys(expected).map((name) => [name, headers[name]]));
      deepEqual(found, expected, String(status));
      deepEqual([headers['access-control-allow-origin'], headers['set-cookie']], [undefined, undefined]);
    }
    deepEqual(
      answers.filter(({ status }) => status >= 300).map(({ body }) => body),
      ['', '', '', ''],
    );
    equal(answers[3]!.headers.allow, 'GET, HEAD');
  });

  it('does not send data again that the browser has', async () => {
    const { headers } = await ask('data');
    const known = async (value: string) => (await ask('data', { headers: { 'if-none-match': value } })).status;
    equal(await known(headers.etag!), 304);
    equal(await known(`"other", W/${headers.etag}`), 304);
    equal(await known('"other"'), 200);
    json = '{"a":10}';
    equal(await known(headers.etag!), 200);
  });

  it('answers HEAD with the headers alone', async () => {
    const { status, headers, body } = await ask('', { method: 'HEAD' });
    deepEqual([status, headers['content-length'], body], [200, '17', '']);
  });

  it('tells a wrong token, host or site from nothing else', async () => {
    const answers = [
      await ask('/wrong/data'),
      await ask('data', { headers: { host: 'evil.example' } }),
      await ask('data', { headers: { 'sec-fetch-site': 'cross-site' } }),
      await ask('data', { headers: { origin: 'http://evil.example' } }),
      await ask('/nothing'),
    ].map((each) => ({ ...each, headers: { ...each.headers, date: '' } }));
    for (const each of answers) deepEqual(each, answers[0]);
    deepEqual([answers[0]!.status, answers[0]!.body, asked], [404, '', 0]);
  });

  it('takes a path as it is', async () => {
    const line = (path: string) =>
      `GET ${path} HTTP/1.1\r\nhost: ${new URL(server.url).host}\r\nconnection: close\r\n\r\n`;
    match(await send(line(`/${token}/data`)), /^HTTP\/1\.1 200 /);
    for (const path of [
      `/${token}/../${token}/data`,
      `/${token}/%2e%2e/etc/passwd`,
      `/${token}//data`,
      `/x/../${token}/data`,
    ])
      match(await send(line(path)), /^HTTP\/1\.1 404 /, path);
  });

  it('refuses headers that are too long, and a body, and ends these connections', async () => {
    const { host } = new URL(server.url);
    const start = `GET /${token}/data HTTP/1.1\r\nhost: ${host}\r\n`;
    match(await send(`${start}x: ${'a'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    match(await send(`GET /${'a'.repeat(9000)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    match(await send(`${start}content-length: 1000000000\r\n\r\nabc`), /^HTTP\/1\.1 404 [^]*connection: close/i);
    match(await send(`${start}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`), /^HTTP\/1\.1 404 /);
    match(await send('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
    match(await send(`GET /${token}/data HTTP/1.1\r\nconnection: close\r\n\r\n`), /^HTTP\/1\.1 400 /);
    equal(asked, 0);
  });

  it('opens no tunnel and no WebSocket', async () => {
    const { host } = new URL(server.url);
    equal(await send(`CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n`), '');
    const upgrade = `GET /${token}/x HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`;
    match(await send(upgrade), /^HTTP\/1\.1 404 /);
  });

  it('listens on 127.0.0.1 alone', async () => {
    const port = Number(new URL(server.url).port).toString(16).toUpperCase().padStart(4, '0');
    const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')));
    // The state 0A is LISTEN; the address is in the byte order of the machine.
    const listening = tables.flatMap((table) => [...table.matchAll(/^ *\d+: ([0-9A-F]+:[0-9A-F]{4}) \S+ 0A /gm)]);
    deepEqual(
      listening.map(([, address]) => address).filter((address) => address!.endsWith(`:${port}`)),
      [`0100007F:${port}`],
    );
  });

  it('says which port is taken', async () => {
    const port = Number(new URL(server.url).port);
    const data = async () => ({ json, etag: '' });
    await rejects(servePage({ page, token, port, data }), /--port: cannot listen on 127\.0\.0\.1:\d+: another program/);
  });

  it('ends at once, with a connection open and a request unanswered', async () => {
    await server.close();
    const { promise: isAsked, resolve } = Promise.withResolvers<void>();
    const data = (): Promise<never> => {
      resolve();
      return new Promise(() => {});
    };
    server = await servePage({ page, token, port: 0, data });
    const idle = connect(Number(new URL(server.url).port), '127.0.0.1');
    await once(idle, 'connect');
    const closed = once(idle.resume(), 'close');
    const hanging = ask('data').catch((error: NodeJS.ErrnoException) => error.code);
    await isAsked;
    await server.close();
    equal(await hanging, 'ECONNRESET');
    await closed;
  });
});
