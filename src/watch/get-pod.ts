import type { Pod } from '../model/cluster.ts';
import { readJson, type ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { decodePod, readIdentity } from './decode.ts';

/** One pod as the API server has it at this moment, not as some cache had it; `undefined` if there is none. Rejects with an ApiError. */
export async function getPod(
  client: ApiReader,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  options: { readonly signal: AbortSignal; readonly silenceMs: number },
): Promise<Pod | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  try {
    const raw = await readJson(await client.get(path, { ...options, query: {} }));
    const identity = readIdentity(raw);
    if (identity?.namespace === namespace && identity.name === name) return decodePod(raw, identity).value;
    throw new ApiError('malformed', `not the pod at ${path}`);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'refused' && error.status === 404) return undefined;
    throw error;
  }
}
