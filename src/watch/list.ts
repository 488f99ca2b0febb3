import { readBytes, readJson, type ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { decodeList } from './protobuf.ts';
import { getResponse } from './response.ts';

/** As in client-go (tools/pager). */
const pageSize = 500;

/**
 * Reads all pages of a list. It passes each page on before it fetches the next, so that memory holds one page of raw objects. Without a
 * resourceVersion, the list is never older than what the API server returned before. Resolves with the list's resourceVersion. If the continue token
 * expires, it starts again with one unpaged list, which cannot expire.
 * @param options `protobuf`: the list may be a PodList in protobuf. Then an item has only the fields that protobuf.ts describes.
 */
export async function listAll(
  client: ApiReader,
  path: string,
  options: { readonly signal: AbortSignal; readonly silenceMs: number; readonly protobuf?: boolean },
  handlePage: (items: readonly unknown[], restart: boolean) => void,
): Promise<string> {
  let paged = true;
  let token: string | undefined;
  for (;;) {
    const query = { ...(paged && { limit: String(pageSize) }), ...(token !== undefined && { continue: token }) };
    const page = await readPage(client, path, { ...options, query }).catch((error: unknown) => {
      if (token !== undefined && error instanceof ApiError && error.code === 'expired') return undefined;
      throw error;
    });
    if (page === undefined) {
      paged = false;
      token = undefined;
      continue;
    }
    handlePage(page.items, query.continue === undefined);
    if (page.token === undefined) return page.version;
    token = page.token;
  }
}

async function readPage(
  client: ApiReader,
  path: string,
  { protobuf = false, ...options }: Parameters<ApiReader['get']>[1] & { readonly protobuf?: boolean },
): Promise<{ items: readonly unknown[]; version: string; token: string | undefined }> {
  const { body, isProtobuf } = await getResponse(client, path, options, protobuf);
  const raw = (isProtobuf ? decodeList(await readBytes(body)) : await readJson(body)) as {
    items?: unknown;
    metadata?: { resourceVersion?: unknown; continue?: unknown };
  } | null;
  // Go encodes an empty list as `items: null`.
  const items = raw?.items === null ? [] : raw?.items;
  const version = raw?.metadata?.resourceVersion;
  if (!Array.isArray(items) || typeof version !== 'string')
    throw new ApiError('malformed', `the response for ${path} is not a list`);
  const next = raw?.metadata?.continue;
  return { items, version, token: typeof next === 'string' && next !== '' ? next : undefined };
}
