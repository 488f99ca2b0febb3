import { isJsonObject, listAt, objectAt, textAt } from '../lib/json.ts';
import { readJson, type ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';

interface Options {
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

/**
 * Asks the API server in which version it serves a resource, with at most one request a version. Prefers what the API server prefers. Resolves with the path of
 * the collection, or with `undefined` if the API server does not have the resource. Rejects with an ApiError.
 */
export async function findServedPath(
  client: ApiReader,
  group: string,
  resource: string,
  options: Options,
): Promise<string | undefined> {
  const root = `/apis/${group}`;
  const found = await getIfThere(client, root, options);
  const versions = [objectAt(found, 'preferredVersion'), ...listAt(found, 'versions').filter(isJsonObject)].flatMap(
    (each) => textAt(each, 'version') ?? [],
  );
  for (const version of new Set(versions)) {
    const path = `${root}/${encodeURIComponent(version)}`;
    const served = listAt(await getIfThere(client, path, options), 'resources');
    if (served.some((each) => textAt(each, 'name') === resource)) return `${path}/${resource}`;
  }
  return undefined;
}

async function getIfThere(client: ApiReader, path: string, options: Options): Promise<unknown> {
  try {
    return await readJson(await client.get(path, { ...options, query: {} }));
  } catch (error) {
    if (error instanceof ApiError && error.code === 'refused' && error.status === 404) return undefined;
    throw error;
  }
}
