import { textAt, type JsonObject } from '../../lib/json.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { getObject } from '../../watch/get-object.ts';
import { listAll } from '../../watch/list.ts';

const group = 'coordination.k8s.io/v1';
const silenceMs = 15_000;

/** Leases of one namespace. Each call rejects with an ApiError. */
export class LeaseClient {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #signal: AbortSignal;

  constructor(client: ApiClient, namespace: string, signal: AbortSignal) {
    this.#client = client;
    this.#namespace = namespace;
    this.#signal = signal;
  }

  get(name: string): Promise<JsonObject | undefined> {
    const options = { signal: this.#signal, silenceMs };
    return getObject(this.#client, `/apis/${group}/leases`, { namespace: this.#namespace, name }, options);
  }

  async list(handle: (lease: unknown) => void): Promise<void> {
    const options = { signal: this.#signal, silenceMs };
    await listAll(this.#client, this.#collection, options, (items) => items.forEach(handle));
  }

  /** Resolves with the resourceVersion. */
  async create(name: string, body: object): Promise<string> {
    const { metadata, ...rest } = body as { metadata?: object };
    const lease = { apiVersion: group, kind: 'Lease', metadata: { ...metadata, name }, ...rest };
    return this.#write('create', this.#collection, lease);
  }

  /** A merge patch. With `metadata.resourceVersion`, it needs that version. Resolves with the new one. */
  patch(name: string, body: object): Promise<string> {
    return this.#write('merge', `${this.#collection}/${encodeURIComponent(name)}`, body);
  }

  get #collection(): string {
    return `/apis/${group}/namespaces/${encodeURIComponent(this.#namespace)}/leases`;
  }

  async #write(verb: 'create' | 'merge', path: string, body: object): Promise<string> {
    const written = await this.#client.write(verb, path, body, { signal: this.#signal, silenceMs });
    return textAt(written, 'metadata', 'resourceVersion') ?? '';
  }
}

/** Whether the API server refused the request with this status. */
export function isRefusal(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}

/** MicroTime of the API: six digits of a second. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/Z$/, '000Z');
}
