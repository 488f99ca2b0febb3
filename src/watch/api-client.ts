import type { KubeConfig } from '@kubernetes/client-node';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { ApiError, statusError } from './api-error.ts';
import { messageOf } from '../lib/message-of.ts';
import { decodeStatus, isProtobuf } from './protobuf.ts';

export interface GetOptions {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** The longest time without a byte, in milliseconds, from connecting to the end of the body. */
  readonly silenceMs: number;
  /** The accepted media types, best first; JSON if missing. */
  readonly accept?: string;
  /** Called with the headers of a successful response. */
  readonly onHeaders?: (headers: http.IncomingHttpHeaders) => void;
}

/** Reads from the API server. */
export interface ApiReader {
  /** Resolves with the body of a successful response. Rejects, or ends the iteration, with an ApiError, also if the signal aborts. */
  get(path: string, options: GetOptions): Promise<AsyncIterable<Uint8Array>>;
}

export interface WriteOptions {
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

export interface ApiClient extends ApiReader {
  /** Sends an object as JSON. Resolves with the object of a successful response, else rejects with an ApiError. */
  write(verb: keyof typeof writeVerbs, path: string, body: object, options: WriteOptions): Promise<unknown>;
}

const writeVerbs = {
  create: { method: 'POST', type: 'application/json' },
  patch: { method: 'PATCH', type: 'application/strategic-merge-patch+json' },
  /** Also for custom resources, which have no strategic merge patch. A list replaces the list. */
  merge: { method: 'PATCH', type: 'application/merge-patch+json' },
} as const;

const userAgent = 'postern';
/** After this time without data, Node sends ten TCP probes, one a second. So it detects a lost peer within 40 s. */
const keepAliveMs = 30_000;

/**
 * Reads one kubeconfig file or several. Without one it reads what kubectl would use, or in a pod its service account. Rejects with an ApiError.
 * It imports client-node on first use, because the import costs half a second and 80 MB, and the package has no smaller entry point.
 */
export async function loadKubeConfig(from: string | readonly string[] = []): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (typeof from === 'string') config.loadFromFile(from);
    else if (from.length > 1) loadSeveral(config, from, KubeConfig);
    else config.loadFromDefault();
    // Without a kubeconfig, client-node falls back to a local port on which any process may listen.
    if (config.currentContext === 'loaded-context' && config.getCurrentCluster()?.server === 'http://localhost:8080') {
      throw new Error('not found: no KUBECONFIG, no ~/.kube/config, and no service account of a pod');
    }
  } catch (cause) {
    const files = [from].flat().join(', ');
    const { code, path = files } = cause as NodeJS.ErrnoException;
    const message =
      code === 'ENOENT'
        ? `kubeconfig: no such file: ${path}`
        : `kubeconfig ${files || '(default)'}: ${messageOf(cause)}`;
    throw new ApiError('kubeconfig', message, { cause });
  }
  return config;
}

/** Merges kubeconfig files as kubectl does: the first entry of each name and the first current context win, and a missing file counts as empty. */
function loadSeveral(config: KubeConfig, files: readonly string[], create: new () => KubeConfig): void {
  const present = files.filter((file) => existsSync(file));
  // If no file exists, loading the first one reports the error.
  for (const file of present.length > 0 ? present : files.slice(0, 1)) {
    const next = new create();
    next.loadFromFile(file);
    config.clusters = firstOfName(config.clusters, next.clusters);
    config.users = firstOfName(config.users, next.users);
    config.contexts = firstOfName(config.contexts, next.contexts);
    config.currentContext ||= next.currentContext;
  }
}

function firstOfName<Item extends { readonly name: string }>(known: Item[] = [], more: readonly Item[] = []): Item[] {
  const names = new Set(known.map(({ name }) => name));
  return [...known, ...more.filter(({ name }) => !names.has(name))];
}

/**
 * Creates a client for the current cluster of the kubeconfig. It reads the credentials again for each request, so it uses rotated tokens and
 * certificates. It sends credentials over TLS only: a server `http://…` gets none. Throws an ApiError if the kubeconfig has no usable server.
 */
export function createApiClient(config: KubeConfig): ApiClient {
  const cluster = config.getCurrentCluster();
  const server = URL.parse(cluster?.server ?? '');
  if (!cluster || !server || !['http:', 'https:'].includes(server.protocol)) {
    throw new ApiError('kubeconfig', `the kubeconfig names no usable server: ${cluster?.server ?? 'none'}`);
  }
  const request = async (
    call: Call,
    options: WriteOptions & Pick<GetOptions, 'accept' | 'onHeaders'>,
  ): Promise<AsyncIterable<Uint8Array>> => {
    const target = requestTarget(server, call.path, call.query);
    if (server.protocol === 'https:') {
      await addCredentials(config, target).catch((cause: unknown) => {
        throw new ApiError('kubeconfig', `credentials: ${messageOf(cause)}`, { cause });
      });
      // client-node caches an HTTP agent with the certificates of the first request. Only a proxy needs that agent.
      if (!cluster.proxyUrl) target.agent = false;
    }
    target.method = call.method;
    target.headers = {
      ...trimmed(target.headers as http.OutgoingHttpHeaders),
      ...call.headers,
      accept: options.accept ?? 'application/json',
      'user-agent': userAgent,
    };
    const response = await send(target, options, call.body);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) {
      throw statusError(status, await readStatus(response).catch(() => undefined));
    }
    options.onHeaders?.(response.headers);
    return readBody(response);
  };
  return {
    get: (path, options) => request({ method: 'GET', path, query: options.query }, options),
    async write(verb, path, body, options) {
      const { method, type } = writeVerbs[verb];
      const headers = { 'content-type': type };
      return readJson(await request({ method, path, query: {}, headers, body: JSON.stringify(body) }, options));
    },
  };
}

async function addCredentials(config: KubeConfig, target: https.RequestOptions): Promise<void> {
  await config.applyToHTTPSOptions(target);
  // client-node caches a pod's token for a minute of wall-clock time. If the clock is set back, it keeps an old token for longer.
  const { tokenFile } = (config.getCurrentUser()?.authProvider?.config ?? {}) as { tokenFile?: string };
  if (tokenFile === undefined) return;
  const authorization = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
  target.headers = { ...(target.headers as http.OutgoingHttpHeaders), Authorization: authorization };
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

/** Reads the whole body as JSON. Rejects with `malformed` if it is not JSON. */
export async function readJson(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  return parseJson((await readBytes(body)).toString('utf8'));
}

export async function readBytes(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The server chooses the form of a refusal as it chooses the form of an answer. */
async function readStatus(response: http.IncomingMessage): Promise<unknown> {
  const body = readBody(response);
  return isProtobuf(response.headers['content-type']) ? decodeStatus(await readBytes(body)) : readJson(body);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError('malformed', `not JSON: ${JSON.stringify(text.slice(0, 80))}`, { cause });
  }
}

function requestTarget(server: URL, path: string, query: Readonly<Record<string, string>>): https.RequestOptions {
  const { protocol, hostname, port, pathname } = server;
  const search = new URLSearchParams(query).toString();
  return {
    protocol,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    path: `${pathname.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`,
    ...(port === '' ? {} : { port }),
  };
}

/** A token file often ends with a newline. client-node does not remove it, and a header must not contain it. */
function trimmed(credentials: http.OutgoingHttpHeaders = {}): http.OutgoingHttpHeaders {
  const entries = Object.entries(credentials);
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value]));
}

function send(
  target: https.RequestOptions,
  { signal, silenceMs }: WriteOptions,
  body: string | undefined,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const transport = target.protocol === 'https:' ? https : http;
    const request = transport.request({ ...target, signal, timeout: silenceMs });
    let response: http.IncomingMessage | undefined;
    request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
    // If the code destroyed the request only, a reader of the body would see "aborted" without the reason.
    request.on('timeout', () => (response ?? request).destroy(new ApiError('silent', `no data for ${silenceMs} ms`)));
    request.on('error', (error) => reject(asApiError(error)));
    request.on('response', (message) => resolve((response = message)));
    request.end(body);
  });
}

async function* readBody(response: http.IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* response;
  } catch (error) {
    throw asApiError(error);
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('unreachable', messageOf(error), { cause: error });
}
