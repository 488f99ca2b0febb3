import type { KubeConfig } from '@kubernetes/client-node';
import http from 'node:http';
import https from 'node:https';
import { json } from 'node:stream/consumers';
import { createApiClient, loadKubeConfig } from '../../watch/api-client.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { ApiError, statusError } from '../../watch/api-error.ts';
import { LabError } from '../error.ts';
import { messageOf } from '../../lib/message-of.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Content type of the body. */
  readonly mediaType?: string;
}

/** Timeout of a request. */
const silenceMs = 30_000;
/** Idle time of a connection: less than the limits of servers and load balancers. */
const idleMs = 10_000;

/** Reads and changes objects of a real API server. Rejects with an ApiError of the watch room. */
export class RealClient {
  readonly server: URL;
  /** For watches. */
  readonly reader: ApiClient;
  readonly config: KubeConfig;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, timeout: idleMs }),
    'https:': new https.Agent({ keepAlive: true, timeout: idleMs }),
  };

  private constructor(config: KubeConfig) {
    const { proxyUrl } = config.getCurrentCluster() ?? {};
    if (proxyUrl) throw new LabError('input', `the lab cannot use a proxy (${proxyUrl}) to an API server`);
    this.reader = createApiClient(config);
    this.server = new URL(config.getCurrentCluster()!.server);
    this.config = config;
  }

  /** For the current context of a kubeconfig. Rejects with LabError `input` for an unusable kubeconfig. Sends no request. */
  static async load(kubeconfig: string): Promise<RealClient> {
    try {
      return new RealClient(await loadKubeConfig(kubeconfig));
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause;
      throw new LabError('input', cause.message, { cause });
    }
  }

  async request({ method, path, query = {}, body, mediaType = 'application/json' }: ApiRequest): Promise<unknown> {
    const { hostname, port, pathname } = this.server;
    const protocol = this.server.protocol as 'http:' | 'https:';
    const search = new URLSearchParams(query).toString();
    const text = body && JSON.stringify(body);
    const target: https.RequestOptions = {
      method,
      protocol,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      path: `${pathname.replace(/\/$/, '')}${path}${search && `?${search}`}`,
      ...(port === '' ? {} : { port }),
    };
    // Sends credentials over TLS only, as the watch room does.
    if (protocol === 'https:') await this.config.applyToHTTPSOptions(target);
    // The agent of client-node would keep the certificates of its first request. This one separates connections by certificate.
    target.agent = this.#agents[protocol];
    target.headers = {
      ...(target.headers as http.OutgoingHttpHeaders | undefined),
      accept: 'application/json',
      'user-agent': 'postern-lab',
      // Node.js sends the body of a DELETE without Content-Length, and the server would parse it as the next request.
      ...(text !== undefined && { 'content-type': mediaType, 'content-length': Buffer.byteLength(text) }),
    };
    const response = await send(target, text);
    const status = response.statusCode ?? 0;
    const answer = await json(response).catch(() => undefined);
    if (status < 200 || status > 299) throw statusError(status, answer);
    return answer;
  }

  /** None of a resource that the server does not have, as ClusterNetworkPolicies without their CRD. */
  async list<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T[]> {
    try {
      const { items } = (await this.request({ method: 'GET', path, query })) as { items: T[] | null };
      // Go encodes an empty list as `null`.
      return items ?? [];
    } catch (error) {
      if (!isRefusal(error, 404)) throw error;
      return [];
    }
  }
}

/** Whether the server refused with one of these HTTP statuses: 404 is not found, 409 exists or has changed. */
export function isRefusal(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof ApiError && error.status !== undefined && statuses.includes(error.status);
}

function send(target: https.RequestOptions, body: string | undefined): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const scheme = target.protocol === 'https:' ? https : http;
    const request = scheme.request({ ...target, timeout: silenceMs }, resolve);
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${silenceMs / 1000} s`)));
    request.on('error', (cause) => reject(new ApiError('unreachable', messageOf(cause), { cause })));
    request.end(body);
  });
}
