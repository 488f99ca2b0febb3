import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../../config/config-error.ts';
import { judgeRequest, type Route } from './judge-request.ts';

/** The parts of the page, as the server sends them. */
export interface BuiltPage {
  readonly html: string;
  readonly script: string;
  readonly style: string;
}

/** JSON, and a text that changes with it. */
export interface DataAnswer {
  readonly json: string;
  readonly etag: string;
}

export interface PageServerOptions {
  readonly page: BuiltPage;
  /** Text that is hard to guess, of characters that a URL may have. */
  readonly token: string;
  /** 0: a free port. */
  readonly port: number;
  readonly data: () => Promise<DataAnswer>;
}

export interface PageServer {
  /** With the token. */
  readonly url: string;
  close(): Promise<void>;
}

/** The only address on which the server listens. */
const loopback = '127.0.0.1';

const contentPolicy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const safeHeaders = {
  'content-security-policy': contentPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** A browser opens six connections at most. */
const mostConnections = 64;
const mostHeaderBytes = 8 << 10;
/** Milliseconds for a whole request, and without any byte. */
const requestMs = 10_000;
const idleMs = 60_000;

/** Serves the page on loopback. Rejects with a ConfigError if the port cannot be used. */
export async function servePage({ page, token, port, data }: PageServerOptions): Promise<PageServer> {
  const server = http.createServer({
    maxHeaderSize: mostHeaderBytes,
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    keepAliveTimeout: requestMs,
  });
  server.maxConnections = mostConnections;
  server.setTimeout(idleMs);
  server.listen({ host: loopback, port, exclusive: true });
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'EADDRINUSE'
        ? 'another program uses this port; choose another port, or leave out --port'
        : cause.message;
    throw new ConfigError(`--port: cannot listen on ${loopback}:${port}: ${why}`, { cause });
  });
  const door = { token, port: (server.address() as AddressInfo).port };
  const contents: Readonly<Record<Exclude<Route, 'data'>, readonly [type: string, body: string]>> = {
    '': ['text/html; charset=utf-8', page.html],
    'page.js': ['text/javascript; charset=utf-8', page.script],
    'page.css': ['text/css; charset=utf-8', page.style],
  };
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { method, url, headersDistinct: headers } = request;
    const ruling = judgeRequest({ method, url, headers }, door);
    if ('status' in ruling) {
      // A body that is not read must not be taken for the next request.
      send(response, ruling.status, { connection: 'close', ...(ruling.status === 405 && { allow: 'GET, HEAD' }) });
    } else if (ruling.route === 'data') {
      const { json, etag } = await data();
      if (isKnown(headers['if-none-match'], etag)) send(response, 304, { etag });
      else send(response, 200, { 'content-type': 'application/json; charset=utf-8', etag }, json);
    } else {
      const [type, body] = contents[ruling.route];
      send(response, 200, { 'content-type': type }, body);
    }
  };
  server.on('request', (request, response) => {
    answer(request, response).catch(() => send(response, 500, { connection: 'close' }));
  });
  return {
    url: `http://${loopback}:${door.port}/${token}/`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Node.js leaves out the body of an answer to HEAD. */
function send(response: http.ServerResponse, status: number, headers: http.OutgoingHttpHeaders, body = ''): void {
  const length = status === 304 ? {} : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { ...safeHeaders, ...length, ...headers });
  response.end(body);
}

function isKnown(values: readonly string[] | undefined, etag: string): boolean {
  const known = (values ?? []).flatMap((value) => value.split(',')).map((each) => each.trim().replace(/^W\//, ''));
  return known.includes(etag);
}
