import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { discover } from './discovery.ts';
import { handle, type Answer } from './handlers.ts';
import { chooseForm } from './media-type.ts';
import { describeApi, openApiV2 } from './openapi.ts';
import { parseRoute } from './route.ts';
import { ApiError, unknownPath } from './status.ts';
import type { Store } from './store.ts';
import { messageOf } from '../../lib/message-of.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly socketPath: string;
  /** Also serve plain HTTP on TCP; port 0 picks a free port. Use loopback only: there is no authentication. */
  readonly tcp?: { readonly host: string; readonly port: number };
  /** Milliseconds between the bookmarks of a watch. */
  readonly bookmarkInterval?: number;
}

export interface ApiServer {
  /** URL of the TCP listener. */
  readonly url?: string;
  /** Also ends open watches. */
  close(): Promise<void>;
}

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    void answer(options, request, response);
  };
  // A socket file that a crash left would make listen fail.
  await rm(options.socketPath, { force: true });
  const servers = [await listen(serve, { path: options.socketPath })];
  try {
    if (options.tcp) servers.push(await listen(serve, options.tcp));
  } catch (error) {
    await close(servers);
    throw error;
  }
  const address = servers[1]?.address() as AddressInfo | undefined;
  const host = address?.family === 'IPv6' ? `[${address.address}]` : address?.address;
  return {
    ...(address && { url: `http://${host}:${address.port}` }),
    close: () => close(servers),
  };
}

async function answer(options: ApiServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let result: Answer | undefined;
  const warnings: string[] = [];
  try {
    result = await route(options, request, response, warnings);
  } catch (error) {
    const refusal = error instanceof ApiError ? error : internalError(error);
    result = { code: refusal.status.code, body: refusal.status };
  }
  if (!result) return;
  // Drains a body that was refused unread. Otherwise the server would parse it as the next request.
  request.resume();
  for (const warning of warnings) {
    // The text may come from the client: only printable ASCII is valid in a header.
    response.appendHeader('warning', `299 - ${JSON.stringify(warning).replaceAll(/[^\x20-\x7e]/g, '?')}`);
  }
  response.writeHead(result.code, { 'content-type': result.mediaType ?? 'application/json' });
  response.end(result.body instanceof Uint8Array ? result.body : JSON.stringify(result.body));
}

async function route(
  { store, bookmarkInterval = 60_000 }: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  warnings: string[],
): Promise<Answer | undefined> {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://server');
  const document = discover(pathname);
  if (document) return { code: 200, body: document };
  if (pathname === '/openapi/v2') return { code: 200, ...openApiV2 };
  const schema = describeApi(pathname);
  if (schema) return { code: 200, body: schema };
  const found = parseRoute(pathname);
  if (!found) throw unknownPath();
  const form = chooseForm(request.headers.accept);
  return handle({ store, route: found, query, request, response, form, bookmarkInterval, warnings });
}

function internalError(error: unknown): ApiError {
  const message = messageOf(error);
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`);
}

/**
 * Milliseconds. Longer than clients keep idle connections (Go: 90 s), so that the server never closes one while a client reuses it.
 */
const keepAliveTimeout = 120_000;

async function listen(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
  on: ListenOptions,
): Promise<Server> {
  const server = createServer({ keepAliveTimeout }, serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(on, resolve);
  });
  return server;
}

async function close(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }),
  );
}
