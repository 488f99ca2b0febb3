import { posix } from 'node:path';
import type { JsonObject } from '../lib/json.ts';
import { readJson, type ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { readIdentity } from './decode.ts';

export interface NamespacedName {
  /** Empty for an object without a namespace. */
  readonly namespace: string;
  readonly name: string;
}

export interface GetOptions {
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

/**
 * Reads the current version of one object from the API server, not from its cache. Resolves with `undefined` if the object does not exist. Rejects
 * with an ApiError.
 * @param collection path of the resource in all namespaces: `/api/v1/pods`
 */
export async function getObject(
  client: ApiReader,
  collection: string,
  { namespace, name }: NamespacedName,
  options: GetOptions,
): Promise<JsonObject | undefined> {
  const { dir: version, base: resource } = posix.parse(collection);
  const home = namespace === '' ? version : `${version}/namespaces/${encodeURIComponent(namespace)}`;
  const path = `${home}/${resource}/${encodeURIComponent(name)}`;
  try {
    const raw = await readJson(await client.get(path, { ...options, query: {} }));
    const identity = readIdentity(raw);
    if (identity?.namespace === namespace && identity.name === name) return raw as JsonObject;
    throw new ApiError('malformed', `not the object at ${path}`);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'refused' && error.status === 404) return undefined;
    throw error;
  }
}
