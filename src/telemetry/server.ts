import { once } from 'node:events';
import { unlink } from 'node:fs/promises';
import http from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Checks } from './checks.ts';

export interface HttpServerOptions {
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly registry: Registry;
  /** `/healthz` fails if one of these fails, and the kubelet restarts the agent. */
  readonly live: Checks;
  /** `/readyz` fails if one of these fails: the node does not enforce all policies. */
  readonly ready: Checks;
  /** The content of `/applied`, as JSON. */
  readonly applied: () => unknown;
  /** The content of `/node`, as JSON. It names pods and policies, so only clients on this node get it. */
  readonly node?: () => unknown;
  /** The content of `/policies`, as JSON, for the same clients. */
  readonly policies?: () => Promise<unknown>;
  /** The content of `/audits`, as JSON, for the same clients. */
  readonly audits?: () => unknown;
  /** The content of `/flows`, as JSON; missing if the agent keeps no flows. For clients on this node. */
  readonly flows?: (() => unknown) | undefined;
}

export interface HttpServer {
  /** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH` */
  readonly address: string;
  close(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Serves /healthz, /readyz (`?verbose` lists the checks), /metrics, /applied, /node, /policies, /audits and /flows. Rejects if it cannot listen. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = http.createServer((request, response) => {
    const send = ({ status, type, body }: Page): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    answer(options, request).then(send, (error: unknown) => send(plain(500, `${String(error)}\n`)));
  });
  if ('path' in options.listen) await removeStaleSocket(options.listen.path);
  server.listen(options.listen);
  await once(server, 'listening');
  return {
    address: showAddress(server.address()!),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(options: HttpServerOptions, request: http.IncomingMessage): Promise<Page> {
  const [path, query] = (request.url ?? '/').split('?', 2);
  const verbose = new URLSearchParams(query).has('verbose');
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'GET or HEAD\n');
  switch (path) {
    case '/healthz':
      return checksPage(options.live, verbose);
    case '/readyz':
      return checksPage(options.ready, verbose);
    case '/metrics':
      return { status: 200, type: options.registry.contentType, body: await options.registry.metrics() };
    case '/applied':
      return json(options.applied());
    case '/node':
      return localPage(options.node, request);
    case '/policies':
      return localPage(options.policies, request);
    case '/audits':
      return localPage(options.audits, request);
    case '/flows':
      return localPage(options.flows, request, 'this agent keeps no flows: set --flows (in the chart: flows.enabled)');
    default:
      return plain(
        404,
        'no such page: try /healthz, /readyz, /metrics, /applied, /node, /policies, /audits or /flows\n',
      );
  }
}

/** A page that names pods. `missing` says why this agent does not have it. */
async function localPage(
  content: (() => unknown) | undefined,
  request: http.IncomingMessage,
  missing = 'this agent does not enforce policies',
): Promise<Page> {
  if (!content) return plain(404, `${missing}\n`);
  return isLocal(request) ? json(await content()) : plain(403, 'forbidden: request this page from the node itself\n');
}

/** Lists failing checks always, and passing checks only with `?verbose`. */
function checksPage(checks: Checks, verbose: boolean): Page {
  const lines = checks
    .results()
    .filter(({ reason }) => verbose || reason !== undefined)
    .map(({ name, reason, note }) => {
      const text = reason ?? note;
      return `[${reason === undefined ? '+' : '-'}] ${name}${text === undefined ? '' : `: ${text}`}\n`;
    });
  return plain(checks.ok ? 200 : 503, `${lines.join('')}${checks.ok ? 'ok' : 'not ok'}\n`);
}

function json(value: unknown): Page {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

/** Whether the client is on this node: it uses a Unix socket or loopback, or its source address is the destination address. */
function isLocal({ socket }: http.IncomingMessage): boolean {
  const { remoteAddress: from, localAddress: to } = socket;
  return from === undefined || from === to || from === '::1' || /^(::ffff:)?127\./.test(from);
}

function plain(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body };
}

/** If nothing listens on the socket, a killed process has left the file. */
async function removeStaleSocket(path: string): Promise<void> {
  const socket = connect(path);
  const error = await once(socket, 'connect').then(
    () => undefined,
    (cause: NodeJS.ErrnoException) => cause,
  );
  socket.destroy();
  if (error?.code === 'ECONNREFUSED') await unlink(path);
}

function showAddress(address: AddressInfo | string): string {
  if (typeof address === 'string') return `unix:${address}`;
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
